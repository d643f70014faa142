"""What `policy check` and `policy show` answer besides the ruling of one rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.protocol.loops.policy import CallKind, CallOrigin, PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
from ftl2_enterprise.render.loops.policy import in_force_lines
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.loops.engine import ScriptedDecider, bench

if TYPE_CHECKING:
    from pathlib import Path

RULES = "rules:\n- {decision: ask, match: {module: shell}, reason: The team decides., expires: 2h}\n"


@pytest.mark.parametrize(("origin", "ruling"), [("model", "ask"), ("manifest", "ask"), ("rule", "deny")])
def test_a_call_of_a_rule_cannot_wait_for_people(tmp_path: Path, origin: str, ruling: str) -> None:
    policy, config = tmp_path / "policy.yml", tmp_path / "config.toml"
    policy.write_text(RULES)
    config.write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=config, environ={"HOME": str(tmp_path)}).settings
    question = PolicyQuestion(
        module="shell", params={"cmd": "id"}, host="localhost", kind=CallKind.ACTION, origin=CallOrigin(origin)
    )
    request = CheckPolicy(questions=[question], policy=str(policy))
    [[answer]] = policy_check.answers(request, settings, None, in_service=False)
    assert answer.ruling == ruling
    assert answer.reason.endswith("a call of a rule cannot wait for an approval") == (ruling == "deny")


def test_the_rules_in_force_have_the_time_to_agree(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(RULES)
    (tmp_path / "config.toml").write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=tmp_path / "config.toml", environ={"HOME": str(tmp_path)}).settings
    with bench(tmp_path, ScriptedDecider(), policy=str(tmp_path / "policy.yml")) as b, b.database.read() as tx:
        lines = in_force_lines(policy_check.in_force(ShowPolicy(loop="web"), settings, tx))
    assert any("must agree: 1 person with access to operate, within 2 h" in repr(one) for one in lines)


@pytest.mark.parametrize("word", ["no", "Yes", "off"])
def test_a_reason_is_a_text(tmp_path: Path, word: str) -> None:
    file = tmp_path / "policy.yml"
    file.write_text(f"rules:\n- {{decision: deny, match: {{module: shell}}, reason: {word}}}\n")
    assert load_policy(file).rules[0].reason == word
