"""A prompt of a loop as a question at the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.core.problem import Problem, not_found, unavailable
from ftl2_enterprise.ctl.loops.questions import question_of
from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.protocol.loops.replies import PromptDetail
from tests.support.data.builders import prompt

APPROVAL = prompt(3, options=["approve", "reject"], kind=PromptKind.APPROVAL)


class Reader:
    """Replies with the prompt, or raises the problem."""

    room = None

    def __init__(self, reply) -> None:
        self._reply = reply

    def call(self, request) -> Any:
        if isinstance(self._reply, Problem):
            raise self._reply
        return PromptDetail(prompt=self._reply, loop="web", desired_state="nginx runs", observations=[])

    def now(self):
        raise NotImplementedError

    def command(self, words: str) -> str:
        return words


@pytest.mark.parametrize(
    ("asked", "invitation"),
    [
        (prompt(3), "answer 3 of web (1-2, Enter for later)"),
        (prompt(3, default="no"), "answer 3 of web (1-2, Enter for no, Ctrl-C for later)"),
        (prompt(3, options=[]), "answer 3 of web (text, Enter for later)"),
        (APPROVAL, "answer 3 of web (approve or reject, Enter for later)"),
    ],
)
def test_the_invitation_shows_what_can_be_typed(asked, invitation):
    assert question_of(asked, "web").invitation == invitation


def test_a_number_chooses_an_option_and_other_texts_are_refused():
    question = question_of(prompt(3), "web")
    assert question.check("2") == "no"
    with pytest.raises(Problem, match="cannot accept 'maybe' as an answer"):
        question.check("maybe")


def test_an_approval_needs_a_word_because_its_actions_are_numbered():
    question = question_of(APPROVAL, "web")
    assert [question.check(word) for word in ("approve", "Reject", "yes")] == ["approve", "reject", "approve"]
    with pytest.raises(Problem, match="cannot accept '1' as an answer to prompt 3") as caught:
        question.check("1")
    assert caught.value.hint == "write approve or reject; it is for all listed actions"


def test_it_is_settled_when_the_prompt_is_not_open_any_more_or_gone():
    question = question_of(prompt(3), "web")
    assert question.settled(Reader(prompt(3))) is None
    answered = question.settled(Reader(prompt(3, state=PromptState.ANSWERED, answer="yes", answered_by="alice")))
    assert answered is not None
    assert answered.plain == "prompt 3 is closed: answered: yes (by alice)"
    deleted = question.settled(Reader(not_found("cannot find the prompt 3")))
    assert deleted is not None
    assert deleted.plain == "prompt 3 is closed: it was deleted with its loop"
    with pytest.raises(Problem, match="cannot reach"):
        question.settled(Reader(unavailable("cannot reach the service")))
