"""A rule with its source."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.replies import (
    RuleDetail,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ShowRule,
)
from tests.integration.ctl.samples import RULE


def test_the_source_follows_the_rule(service, ctl):
    service.on(ShowRule, RuleDetail(rule=RULE, source="def condition(): ...\n"))
    out = ctl("rules", "show", "repair")[1]
    assert out.startswith("repair  on, fired 2 times, last ")
    assert "applies to loops web" in out
    assert out.endswith("\n\ndef condition(): ...\n")
