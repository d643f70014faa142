"""`policy show`: the rules in force."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.policy import PolicyInForce, PolicyRuleLine
from ftl2_enterprise.protocol.loops.verbs import ShowPolicy

RULE = PolicyRuleLine(
    of="site",
    number=1,
    decision="deny",
    match={"module": "shell", "host": "prod-*"},
    applies_to=["actions"],
    reason="No shell in production",
    source="10-base.yaml line 3",
)


def test_each_rule_has_its_place_and_its_reason(service, ctl):
    service.on(ShowPolicy, PolicyInForce(rules=[RULE], revision="abc"))
    assert ctl("policy", "--loop", "web")[1].splitlines() == [
        "deny   module: shell, host: prod-* (site rule 1, 10-base.yaml line 3, actions)",
        "       No shell in production",
        "other actions are allowed",
    ]
    assert service.asked_for(ShowPolicy)[0].loop == "web"


def test_a_problem_of_the_site_policy_comes_first(service, ctl):
    service.on(ShowPolicy, PolicyInForce(rules=[], revision="", problem="cannot use the policy x line 2: why"))
    status, out, _ = ctl("policy", "show")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "the site policy cannot be used: cannot use the policy x line 2: why"
    assert lines[1:] == ["nothing has an effect until it is corrected and loaded"]


def test_names_that_nothing_has_are_warnings(service, ctl):
    found = PolicyInForce(rules=[RULE], revision="abc", warnings=["site rule 1 (10-base.yaml line 3): no module"])
    service.on(ShowPolicy, found)
    assert ctl("policy", "show")[1].splitlines()[-1] == "warning: site rule 1 (10-base.yaml line 3): no module"
