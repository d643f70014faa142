"""What counts as an answer to a prompt."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.answers import resolve
from ftl2_enterprise.protocol.loops.nouns import Prompt, PromptState


def prompt(*options: str, default: str | None = None) -> Prompt:
    return Prompt(
        id=7, loop_id=1, iteration_id=1, key="k", question="Which?", options=list(options), default=default,
        context=None, state=PromptState.OPEN, answer=None, answered_by=None, asked_at=0, deadline_at=None,
        answered_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "typed", "answer"),
    [
        (("red", "blue"), "1", "red"),
        (("red", "blue"), " blue ", "blue"),
        (("red", "blue"), "BLUE", "blue"),
        (("2", "1"), "1", "1"),
        (("8080", "9090"), "2", "9090"),
        ((), "anything at all", "anything at all"),
        ((), "1", "1"),
    ],
)
def test_options_numbers_and_texts_are_answers(options: tuple[str, ...], typed: str, answer: str) -> None:
    """`1` is stored as the option that it names."""
    assert resolve(prompt(*options), typed) == answer


@pytest.mark.parametrize("typed", ["3", "0", "-1", "green", "", "   ", "1.0", "¹", "9" * 50])
def test_everything_else_is_refused_with_the_choices(typed: str) -> None:
    with pytest.raises(Problem) as caught:
        resolve(prompt("red", "blue"), typed)
    assert "1 for 'red'" in str(caught.value)
