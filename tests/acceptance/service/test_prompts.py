"""Questions of loops of the service: no process waits for an answer, and an answer costs no second decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome, PromptState
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    DismissPrompt,
    ListPrompts,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    ShowPrompt,
)
from tests.support.service import asking
from tests.support.service.asking import DESIRED_STATE, asking_daemon, calls
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.service.daemon import Daemon


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with asking_daemon(tmp_path) as made:
        yield made


def asked(service: Daemon) -> int:
    prompt = asking.asked(service)
    # Only the row waits for the answer, and no process.
    until(lambda: service.lines()["web"].pid is None)
    return prompt


def test_an_answer_resumes_the_loop_without_repeating_the_model_call(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    assert calls(tmp_path) == 1
    detail = service.call(ShowPrompt(prompt=prompt))
    assert (detail.loop, detail.prompt.context) == ("web", "a port is needed")
    with pytest.raises(Problem, match="cannot accept 'eighty' as an answer"):
        service.call(AnswerPrompt(prompt=prompt, answer="eighty"))
    (tmp_path / "answered").touch()
    answered = service.call(AnswerPrompt(prompt=prompt, answer="2"))
    assert (answered.answer, answered.state) == ("9090", PromptState.ANSWERED)
    assert answered.answered_by
    done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
    assert done.outcome is Outcome.CONVERGED
    # One decision before the question, and one with its answer.
    assert calls(tmp_path) == 2
    with pytest.raises(Problem, match="it is answered by") as caught:
        service.call(AnswerPrompt(prompt=prompt, answer="1"))
    assert caught.value.code is Code.CONFLICT


def test_a_question_survives_when_every_process_is_killed(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    service.kill("root")
    assert service.wait() != 0
    service.start()
    assert service.loop("web").state is LoopState.WAITING
    (tmp_path / "answered").touch()
    service.call(AnswerPrompt(prompt=prompt, answer="8080"))
    assert service.until_state("web", LoopState.COMPLETED).outcome is Outcome.CONVERGED
    assert calls(tmp_path) == 2


def test_dismissing_a_question_resumes_the_loop(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    (tmp_path / "answered").touch()
    assert service.call(DismissPrompt(prompt=prompt)).state is PromptState.DISMISSED
    service.until_state("web", LoopState.COMPLETED)


def test_a_loop_that_waits_can_be_paused_and_answered(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    assert service.call(PauseLoop(loop="web")).state is LoopState.PAUSED
    (tmp_path / "answered").touch()
    service.call(AnswerPrompt(prompt=prompt, answer="8080"))
    assert service.loop("web").state is LoopState.PAUSED
    assert service.call(ResumeLoop(loop="web")).state is LoopState.PAUSED
    assert service.until_state("web", LoopState.COMPLETED).outcome is Outcome.CONVERGED
    assert calls(tmp_path) == 2


def test_a_question_that_is_paused_while_it_is_open_is_still_open_afterwards(service: Daemon, tmp_path: Path) -> None:
    asked(service)
    service.call(PauseLoop(loop="web"))
    service.call(ResumeLoop(loop="web"))
    service.until_state("web", LoopState.WAITING)
    assert len(service.call(ListPrompts())) == 1
    assert calls(tmp_path) == 1


def test_a_deadline_that_passes_wakes_the_loop(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "calls").touch()
    service.submit("web", DESIRED_STATE, observers=[], prompt_timeout=0.5)
    until(lambda: calls(tmp_path))
    (tmp_path / "answered").touch()
    service.until_state("web", LoopState.COMPLETED)
    (line,) = service.call(ListPrompts(settled=True))
    assert line.prompt.state is PromptState.EXPIRED


MANIFEST = """\
version: 1
name: asks
questions: [{{key: word, question: "Which word?", options: [hello, bye]{default}}}]
steps:
  - {{name: made, copy: {{content: "{{{{ answers.word }}}}", dest: "{path}"}}}}
"""


def test_retry_asks_an_expired_question_again(service: Daemon, tmp_path: Path) -> None:
    made = tmp_path / "made"
    service.submit("asks", MANIFEST.format(path=made, default=""), decider="manifest", prompt_timeout=0.5)
    for n in (1, 2):
        service.until_state("asks", LoopState.BLOCKED)
        found = [line.prompt for line in service.call(ListPrompts(loop="asks", settled=True))]
        assert [one.state for one in found] == [PromptState.EXPIRED] * n
        service.call(RetryLoop(loop="asks"))
    assert not made.exists()


def test_a_dismissed_prompt_is_answered_with_its_default(service: Daemon, tmp_path: Path) -> None:
    made = tmp_path / "made"
    service.submit("asks", MANIFEST.format(path=made, default=", default: hello"), decider="manifest")
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    dismissed = service.call(DismissPrompt(prompt=line.prompt.id))
    assert (dismissed.state, dismissed.answer) == (PromptState.ANSWERED, "hello")
    assert (dismissed.answered_by or "").startswith("default, dismissed by ")
    assert service.until_state("asks", LoopState.COMPLETED, LoopState.BLOCKED).outcome is Outcome.CONVERGED
    assert made.read_text() == "hello"
