"""Which subject a word means, among the kinds of several capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Code, Problem, invalid, not_found
from ftl2_enterprise.supervisor.subjects import SubjectKind, Subjects

if TYPE_CHECKING:
    from collections.abc import Mapping

TX: Any = None


def kind(noun: str, named: Mapping[str, int]) -> SubjectKind:
    def find(tx: Any, text: str) -> str:
        if text == "several":
            raise invalid(f"cannot choose: two {noun}s begin with several")
        if text in named:
            return f"{noun}:{named[text]}"
        if text.isdigit() and int(text) in named.values():
            return f"{noun}:{text}"
        raise not_found(f"cannot find the {noun} {text!r}")

    ids = {number: name for name, number in named.items()}
    return SubjectKind(kind=noun, find=find, name_of=lambda tx, number: ids.get(number))


LAMPS = kind("lamp", {"red": 1, "green": 2, "desk": 3, "lamp:1": 5})
NOTES = kind("note", {"red": 1, "todo": 4, "note:odd": 9})
BOTH = Subjects([LAMPS, NOTES])


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("green", "lamp:2"),
        ("todo", "note:4"),
        ("4", "note:4"),
        ("lamp:red", "lamp:1"),
        ("note:red", "note:1"),
        ("note:4", "note:4"),
        ("note:odd", "note:9"),
        # An id precedes an equal name: this one is called `lamp:1`, and is found by its kind and its name.
        ("lamp:1", "lamp:1"),
        ("lamp:lamp:1", "lamp:5"),
    ],
)
def test_a_name_or_id_that_one_kind_has(text: str, subject: str) -> None:
    assert BOTH.find(TX, text) == subject


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("red", Code.INVALID, "lamp:1 and note:1 are called so"),
        ("1", Code.INVALID, "lamp:1 and note:1 are called so"),
        ("none", Code.NOT_FOUND, "there is no lamp or note of that name or id"),
        ("lamp:none", Code.NOT_FOUND, "cannot find the lamp 'none'"),
        ("several", Code.INVALID, "two lamps begin with several"),
    ],
)
def test_ambiguous_and_unknown_names_are_refused(text: str, code: Code, message: str) -> None:
    with pytest.raises(Problem, match=message) as refused:
        BOTH.find(TX, text)
    assert refused.value.code is code


def test_with_one_kind_its_own_message_is_raised() -> None:
    with pytest.raises(Problem, match="cannot find the lamp 'none'"):
        Subjects([LAMPS]).find(TX, "none")
    with pytest.raises(Problem, match="there is no thing"):
        Subjects([]).find(TX, "none")


def test_the_name_of_a_subject_comes_from_its_kind() -> None:
    assert BOTH.name_of(TX, "note:4") == "todo"
    assert [BOTH.name_of(TX, subject) for subject in ("note:5", "task:1", "", "note:x")] == [None] * 4


def test_a_kind_is_declared_once() -> None:
    with pytest.raises(ValueError, match="two capabilities declare subjects of the kind lamp"):
        Subjects([LAMPS, NOTES, kind("lamp", {})])
