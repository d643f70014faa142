"""A user types an answer in the shell, and something happens in the meantime."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.protocol.loops.facts import LoopAsked, LoopDeleted, PromptAnswered, PromptAsked
from ftl2_enterprise.protocol.loops.nouns import LoopState, PromptState
from ftl2_enterprise.protocol.loops.replies import LoopDetail, PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ListPrompts, ShowLoop, ShowPrompt
from tests.support.data import builders
from tests.support.scripted.fake_service import PlayedService
from tests.support.terminal.screen import INVITE, invited, shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from tests.support.terminal.screen import Screen

GONE = builders.prompt(7)
"""Its loop is deleted: nothing is known of it."""
WAITING = LoopDetail(
    loop=builders.loop(state=LoopState.WAITING),
    process=None,
    open_prompts=[builders.prompt(8, "And the other one?")],
    last=None,
)


@pytest.fixture
def service() -> Iterator[PlayedService]:
    # Short: the path of a socket has at most 107 bytes.
    with TemporaryDirectory(prefix="ctl-") as directory, PlayedService(Path(directory) / "s") as found:
        found.opens(builders.prompt(7))
        found.on(AnswerPrompt, builders.prompt(7, state=PromptState.ANSWERED, answer="no", answered_by="ada"))
        yield found


@pytest.fixture
def screen(service: PlayedService, tmp_path: Path) -> Iterator[Screen]:
    with shell(service.path, tmp_path) as begun:
        begun.see(INVITE, "1 prompt waits for you")
        yield begun


@pytest.mark.parametrize(
    ("settled", "notice"),
    [
        (
            builders.prompt(7, state=PromptState.ANSWERED, answer="yes", answered_by="alice (uid 7, pid 8)"),
            "! prompt 7 is closed: answered: yes (by alice)",
        ),
        (builders.prompt(7, state=PromptState.EXPIRED), "! prompt 7 is closed: expired without an answer"),
        (builders.prompt(7, state=PromptState.DISMISSED), "! prompt 7 is closed: dismissed without an answer"),
        (GONE, "! prompt 7 is closed: it was deleted with its loop"),
    ],
)
def test_an_answer_to_a_prompt_that_closes_while_it_is_typed_is_not_sent(
    service: PlayedService, screen: Screen, settled: Prompt, notice: str
) -> None:
    screen.enter("answer 7")
    screen.see("answer 7 of web (1-2, Enter for later):")
    screen.type("n")
    screen.see("later): n")
    if settled is GONE:

        def missing(_request: ShowPrompt) -> None:
            raise not_found("cannot find the prompt 7")

        service.prompts = []
        service.on(ShowPrompt, missing)
        service.happen(LoopDeleted)
    else:
        service.closes(settled)
    text = screen.see(notice, "no answer is needed (Enter returns): n")
    lines = [one.strip() for one in text.splitlines()]
    assert lines.index(notice) < lines.index("no answer is needed (Enter returns): n")
    screen.enter("o")
    screen.see("nothing was sent")
    invited(screen, 2)
    assert not service.asked_for(AnswerPrompt)
    assert screen.text.count("prompt 7 ") == 1


# --- Enter ---------------------------------------------------------------------------------------------------------


def test_what_was_typed_before_the_question_appeared_does_not_answer_it(
    service: PlayedService, screen: Screen
) -> None:
    """The question has not been shown yet."""
    service.shows(builders.prompt(7, default="no"))
    screen.type("answer 7\r1\r")
    screen.see("answer 7 of web (1-2, Enter for no, Ctrl-C for later):")
    screen.type("\x03")
    screen.see("the prompt stays open: answer 7")
    assert not service.asked_for(AnswerPrompt)


def test_what_was_typed_while_the_question_was_fetched_does_not_answer_it(
    service: PlayedService, screen: Screen
) -> None:
    reached, released = threading.Event(), threading.Event()
    detail = PromptDetail(
        prompt=builders.prompt(7, default="no"), loop="web", desired_state="nginx runs", observations=[]
    )

    def slow(_request: ShowPrompt) -> PromptDetail:
        reached.set()
        assert released.wait(20)
        return detail

    service.on(ShowPrompt, slow)
    screen.enter("answer 7")
    until(reached.is_set)
    screen.type("\r")
    released.set()
    screen.see("answer 7 of web (1-2, Enter for no, Ctrl-C for later):")
    screen.type("\x03")
    screen.see("the prompt stays open: answer 7")
    assert not service.asked_for(AnswerPrompt)


# --- what a command has shown --------------------------------------------------------------------------------------


def test_the_next_question_of_a_loop_that_is_followed_is_shown_once(service: PlayedService, screen: Screen) -> None:
    running = LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None)
    following = builders.prompt(8, "And the other one?")
    service.on(ShowLoop, running)
    screen.enter("answer 7")
    screen.see("answer 7 of web (1-2")
    screen.enter("no")
    until(lambda: service.events.watchers == 2)
    queries = len(service.asked_for(ListPrompts))
    service.happen(PromptAnswered, prompt_id=7, answer="no", answered_by="ada")
    service.prompts = [PromptLine(prompt=following, loop="web")]
    service.happen(PromptAsked, prompt_id=8, question=following.question, options=following.options)
    screen.see("prompt 8: And the other one?")
    # The shell has seen it too.
    until(lambda: len(service.asked_for(ListPrompts)) > queries + 1)
    service.on(ShowLoop, WAITING)
    service.happen(LoopAsked)
    screen.see("waiting for you", "answer: answer 8")
    invited(screen, 2)
    service.opens(builders.prompt(9, "Something else?"))
    text = screen.see("web asks: Something else?")
    assert text.count("And the other one?") == 1
