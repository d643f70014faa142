"""What counts as an answer when a person is asked in the shell or by a command."""

from __future__ import annotations

import io

from ftl2_enterprise.ctl.loops.questions import question_of
from ftl2_enterprise.ctl.prompter import UNREAD, Silence, until_valid
from ftl2_enterprise.render.colour import Painter
from tests.support.data.builders import prompt


class Person:
    """Types each text at its time, in seconds after the question appeared."""

    def __init__(self, *typed: tuple[float, str | None]) -> None:
        self._typed = list(typed)
        self._now = 0.0
        self.out = Painter(stream=io.StringIO(), is_terminal=False, has_colour=False)

    def read(self) -> str | None:
        self._now, text = self._typed.pop(0)
        return text

    def answer(self, default: str | None, *, settled_at: float = 1e9) -> str | Silence:
        answer = until_valid(
            question_of(prompt(default=default), "web"),
            self.out,
            self.read,
            is_settled=lambda: self._now >= settled_at,
            clock=lambda: self._now,
        )
        assert not self._typed
        return answer

    @property
    def printed(self) -> str:
        stream = self.out.stream
        assert isinstance(stream, io.StringIO)
        return stream.getvalue()


def test_enter_takes_the_default_and_without_one_leaves_the_prompt_open():
    assert Person((3.0, "")).answer("no") == "no"
    assert Person((3.0, "")).answer(None) is Silence.LATER
    assert Person((3.0, None)).answer("no") is Silence.LATER


def test_an_enter_before_the_question_could_be_read_does_not_take_the_default():
    person = Person((UNREAD / 2, "\n"), (3.0, "\n"))
    assert person.answer("no") == "no"
    assert "before the question could be read" in person.printed
    assert Person((UNREAD / 2, ""), (UNREAD * 0.9, ""), (1.0, "yes")).answer("no") == "yes"


def test_a_typed_answer_is_accepted_at_any_time():
    assert Person((0.0, "1")).answer("no") == "yes"


def test_a_settled_prompt_accepts_no_answer():
    for text in ("yes", "", "nonsense", None):
        assert Person((3.0, text)).answer("no", settled_at=2.0) is Silence.SETTLED
