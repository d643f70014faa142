"""Units that a call names with a pattern, which `systemctl` replaces by the units that match it."""

from __future__ import annotations

import pytest

from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

DENY, ALLOW, ASK = RuleDecision.DENY, RuleDecision.ALLOW, RuleDecision.ASK


def ruling(unit: str, *rules: tuple[RuleDecision, str], key: str = "param.name") -> Ruling:
    written = tuple(
        PolicyRule(number=n, match={key: pattern}, decision=decision, reason="", source="")
        for n, (decision, pattern) in enumerate(rules, 1)
    )
    effect = Effect(
        kind=EffectKind.ACTION,
        origin=Origin.MODEL,
        subject="test:1",
        module="service",
        params={"name": unit, "state": "stopped"},
    )
    return judge(effect, GateContext(policies=[Policy(rules=written)])).ruling


@pytest.mark.parametrize("key", ["param.name", "param.service"])
@pytest.mark.parametrize("pattern", ["nginx", "nginx*", "nginx.service", "*ginx", "ngin?", "[mn]ginx"])
@pytest.mark.parametrize(
    "unit", ["ngin?", "ngin*", "[n]ginx", "*", "[^a]ginx", "ngi[[:alpha:]]x", "n\\gin?", "nginx.ser?ice", "nginx*"]
)
def test_a_rule_that_denies_is_about_the_units_that_a_pattern_may_mean(unit: str, pattern: str, key: str) -> None:
    assert ruling(unit, (DENY, pattern), key=key) is Ruling.DENY


@pytest.mark.parametrize("unit", ["post*", "apache[2]", "nfs?", "nginxx"])
def test_it_is_not_about_units_that_begin_otherwise(unit: str) -> None:
    assert ruling(unit, (DENY, "nginx")) is Ruling.ALLOW


@pytest.mark.parametrize(
    ("unit", "pattern", "expected"),
    [
        ("nginx*", "nginx?", Ruling.DENY),
        ("[n]ginx", "?nginx*", Ruling.DENY),
        ("ngin*", "*x", Ruling.DENY),
        ("ngin*", "[n]gin*", Ruling.DENY),
        ("ngin*", "ngin*", Ruling.ALLOW),
        ("ngin*", "*", Ruling.ALLOW),
        ("nginx", "ngin*", Ruling.ALLOW),
    ],
)
def test_a_rule_that_allows_has_to_have_the_same_pattern(unit: str, pattern: str, expected: Ruling) -> None:
    assert ruling(unit, (ALLOW, pattern), (DENY, "*")) is expected


def test_a_rule_that_asks_about_another_pattern_leaves_the_rest_to_later_rules() -> None:
    assert ruling("nginx*", (ASK, "nginx?"), (DENY, "nginx-debug")) is Ruling.DENY
    assert ruling("nginx*", (ASK, "nginx*"), (DENY, "nginx-debug")) is not Ruling.DENY
