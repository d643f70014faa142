"""A question survives kill -9 of everything, and its answer resumes the loop at once, without another decision."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Outcome, PromptState
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from ftl2_enterprise.protocol.service.verbs import ListEvents
from tests.support.processes import process_marks
from tests.support.processes.process_marks import none_left
from tests.support.service.asking import asked, asking_daemon, calls
from tests.support.service.effects_oracle import nothing_open, whole_event_log
from tests.support.terminal.screen import INVITE, ctl, shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.service.daemon import Daemon

SOON = 1.0
"""Seconds after the answer within which the loop is at work again."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with asking_daemon(tmp_path) as made:
        yield made


def kill_everything(service: Daemon) -> None:
    assert process_marks.kill_all(service.run) >= 4
    service.wait()
    assert none_left(service.run, seconds=2)


def held(service: Daemon, tmp_path: Path) -> None:
    """The loop got there soon after the answer, and its question was put once."""
    done: Loop = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
    assert (done.outcome, done.reason, done.crashes) == (Outcome.CONVERGED, None, 0)
    (line,) = service.call(ListPrompts(settled=True))
    assert (line.prompt.state, line.prompt.answer) == (PromptState.ANSWERED, "9090")
    # One decision that asked and one with the answer: none to find out again where it was.
    assert calls(tmp_path) == 2
    events = service.call(ListEvents(subject="web", limit=1000)).events
    answered = next(event for event in events if event.kind == "prompt.answered")
    assert answered.actor
    at_work = next(event for event in events if event.id > answered.id and event.kind.startswith("iteration."))
    print(f"at work {seconds_between(answered.at, at_work.at):.3f} s after the answer")
    assert seconds_between(answered.at, at_work.at) < SOON
    assert nothing_open(service)
    assert whole_event_log(service)


def test_an_open_prompt_survives_kills_and_is_answered_by_a_command(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    kill_everything(service)
    service.start()
    kill_everything(service)
    service.start()
    assert service.loop("web").state is LoopState.WAITING
    (line,) = service.call(ListPrompts())
    assert (line.prompt.id, line.prompt.question, list(line.prompt.options)) == (
        prompt,
        "Which port?",
        ["8080", "9090"],
    )
    # No process waits for it.
    assert service.lines()["web"].pid is None
    assert calls(tmp_path) == 1
    (tmp_path / "answered").touch()
    done = subprocess.run(
        ctl("--socket", service.socket, "answer", str(prompt), "9090"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    held(service, tmp_path)


def test_an_open_prompt_survives_kills_and_is_answered_in_an_open_shell(service: Daemon, tmp_path: Path) -> None:
    prompt = asked(service)
    with shell(service.socket, tmp_path) as screen:
        screen.see(INVITE, "1 prompt: answer")
        kill_everything(service)
        screen.see("the service is unreachable")
        service.start()
        (tmp_path / "answered").touch()
        screen.enter(f"answer {prompt}")
        # What is typed before the line for the answer exists is dropped.
        screen.see("Which port?", "9090", f"answer {prompt} of web (")
        screen.enter("2")
        until(lambda: service.loop("web").state is LoopState.COMPLETED)
        screen.see("converged")
        print(screen.text)
        screen.enter("exit")
        assert screen.end() == 0
    held(service, tmp_path)
