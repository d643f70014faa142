"""What a rule about requests to models matches."""

from __future__ import annotations

import pytest

from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin, model_params
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule
from ftl2_enterprise.gate.verdicts import Ruling


@pytest.mark.parametrize(
    ("match", "is_denied"),
    [
        ({"module": "claude"}, True),
        ({"module": "clau*"}, True),
        ({"module": "other"}, False),
        ({"module": "shell"}, False),
        ({"param.model": "m-*"}, True),
        ({"param.model": "n-*"}, False),
        ({"param.purpose": "decide"}, True),
        ({"param.purpose": "repair"}, False),
        ({"environment": "prod"}, True),
        ({"environment": "test"}, False),
        ({"origin": "model"}, True),
        ({"origin": "rule"}, False),
        ({"host": "*"}, True),
        ({"host": "localhost"}, False),
        ({"host": "local"}, False),
        ({"class": "commands"}, False),
    ],
)
def test_a_rule_about_model_calls(match: dict[str, str], *, is_denied: bool) -> None:
    rule = PolicyRule(number=1, match=match, reason="", source="", applies_to=frozenset({AppliesTo.MODEL_CALLS}))
    params = model_params(model="m-1", purpose="decide", digest="0" * 64)
    effect = Effect(
        kind=EffectKind.MODEL_CALL,
        origin=Origin.MODEL,
        subject="test:1",
        module="claude",
        params=params,
        environment="prod",
    )
    found = gate.judge(effect, gate.GateContext(policies=[Policy(rules=(rule,))]))
    assert found.ruling is (Ruling.DENY if is_denied else Ruling.ALLOW)
    assert (found.permit is None) is is_denied
