"""`ftl2ctl rules`: list, show, enable and disable."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.replies import RuleDetail, RuleInfo
from ftl2_enterprise.protocol.loops.verbs import DisableRule, EnableRule, ListRules, ShowRule
from tests.support import builders

RULE = RuleInfo(
    name="mend",
    description="mends it",
    path="/r/mend.py",
    digest="d",
    enabled=True,
    fired=2,
    last_fired_at=builders.ago(90),
)


def test_rules(service, ctl):
    service.on(ListRules, [RULE])
    assert ctl("rules")[1] == ctl("rules", "list")[1]
    assert "mends it" in ctl("rules")[1]
    service.on(ShowRule, RuleDetail(rule=RULE, source="def condition(): ...\n"))
    assert ctl("rules", "show", "mend")[1].endswith("\n\ndef condition(): ...\n")
    service.on(DisableRule, lambda request: builders.changed(RULE, enabled=False, name=request.rule))
    assert ctl("rules", "disable", "mend")[1] == "mend: off (fires in no loop until it is enabled)\n"
    service.on(EnableRule, RULE)
    assert ctl("rules", "enable", "mend")[1] == "mend: on (fires again)\n"
    service.on(ListRules, [])
    assert ctl("rules")[1].startswith("no rules: ")
