"""Questions about policy while the policy of the site cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.commandline.loops import policy_question
from ftl2_enterprise.protocol.loops.policy import CallKind, PolicyAnswer, PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy
from ftl2_enterprise.wiring import site_policy
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path

ACTION = PolicyQuestion(module="copy", params={"dest": "/etc/x"})
READING = PolicyQuestion(module="stat", params={"path": "/"}, kind=CallKind.OBSERVATION)
REQUEST = PolicyQuestion(module="claude", params={"model": "a"}, kind=CallKind.MODEL_CALL)


@pytest.fixture
def answers(tmp_path: Path) -> list[PolicyAnswer]:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text("rules:\n  - {decision: dny, match: {host: prod}}\n")
    config = tmp_path / "config.toml"
    config.write_text("[policy]\ndirectory = 'policy.d'\n[store]\npath = 'loops.db'\n")
    settings = MODEL.load(config=config, environ={"HOME": str(tmp_path)}).settings
    assert site_policy.start(settings) is not None
    request = CheckPolicy(questions=[ACTION, READING, REQUEST])
    return [one for found in policy_check.answers(request, settings, None, in_service=True) for one in found]


def test_each_call_is_held_as_the_engine_holds_it_and_the_mistake_is_named(answers: list[PolicyAnswer]) -> None:
    assert [(one.ruling, one.rule) for one in answers] == [("hold", None)] * 3
    for one in answers:
        assert "the site policy cannot be used: cannot use the policy" in one.reason
        assert "a.yaml line 2: the decision 'dny' is unknown" in one.reason
    assert policy_question.exit_status(answers) == 8


def test_a_test_of_the_policy_that_expects_a_denial_fails(answers: list[PolicyAnswer]) -> None:
    case = policy_question.PolicyCase(module="copy", expect="deny")
    differs = policy_question.difference(case, answers[:1])
    assert differs is not None
    assert "expected deny, and it is hold" in differs
