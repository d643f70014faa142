"""Every number and text in every request has limits, and commands refuse the same numbers in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from msgspec import inspect

from ftl2_enterprise.commandline import parsing
from ftl2_enterprise.commandline.finder import find
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.spec_limits import LIMITS
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from ftl2_enterprise.supervisor.control.dispatch import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGERS = (-(2**63), 2**63, 2**64 - 1)
FLOATS = (float("nan"), float("inf"), float("-inf"), 1e15, -1e300, *INTEGERS)


def kinds_of(kind: Any) -> tuple[Any, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def fields_of(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """The path of every number and text in a struct, with values that no field may take."""
    for field in cast("inspect.StructType", kind).fields:
        for one in kinds_of(field.type):
            here = (*path, field.encode_name)
            match one:
                case inspect.FloatType():
                    yield here, FLOATS
                case inspect.IntType():
                    yield here, INTEGERS
                case inspect.StrType() if here[-1] != "desired_state":
                    # Most of the largest request that is accepted.
                    yield here, ("x" * 1_000_000,)
                case inspect.StructType():
                    yield from fields_of(one, here)
                case _:
                    pass


def smallest(kind: Any) -> dict[str, Any]:
    """Only the required fields."""
    found: dict[str, Any] = {}
    for field in cast("inspect.StructType", kind).fields:
        if not field.required:
            continue
        (one,) = kinds_of(field.type)
        match one:
            case inspect.StructType():
                found[field.encode_name] = smallest(one)
            case inspect.IntType():
                found[field.encode_name] = 1
            case inspect.EnumType():
                found[field.encode_name] = next(iter(one.cls)).value
            case inspect.ListType():
                found[field.encode_name] = []
            case _:
                assert isinstance(one, inspect.StrType), one
                found[field.encode_name] = "x"
    return found


def entry(verb: str) -> Entry:
    struct = CATALOGUE[verb]
    return Entry(
        verb=struct, name=verb, kind=Kind.READ, handler=None, prepare=None, gather=None,
        decoder=msgspec.msgpack.Decoder(struct),
    )  # fmt: skip


FIELDS = [
    (verb, path, value)
    for verb, struct in sorted(CATALOGUE.items())
    for path, values in fields_of(inspect.type_info(struct))
    for value in values
]


def refused(verb: str, path: tuple[str, ...], value: float | str) -> Problem:
    body = {"type": verb} | smallest(inspect.type_info(CATALOGUE[verb]))
    place: dict[str, Any] = body
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
    with pytest.raises(Problem) as problem:
        entry(verb).decode(msgspec.Raw(msgspec.msgpack.encode(body)))
    return problem.value


NUMBERS = [field for field in FIELDS if not isinstance(field[2], str)]
TEXTS = [field[:2] for field in FIELDS if isinstance(field[2], str)]


@pytest.mark.parametrize(("verb", "path"), TEXTS, ids=str)
def test_a_text_that_is_too_long_is_refused_in_a_short_message(verb: str, path: tuple[str, ...]) -> None:
    problem = refused(verb, path, "x" * 1_000_000)
    assert problem.code is Code.INVALID
    assert path[-1] in problem.message
    assert len(str(problem)) < 300


@pytest.mark.parametrize(("verb", "path", "value"), NUMBERS, ids=str)
def test_a_number_that_no_field_may_take_is_refused(verb: str, path: tuple[str, ...], value: float) -> None:
    problem = refused(verb, path, value)
    assert problem.code is Code.INVALID
    assert problem.message.startswith("cannot take ")
    assert problem.message.endswith(f" for {path[-1]}")
    assert (problem.hint or "").startswith("it must be ")


def test_numbers_of_a_loop_are_among_them() -> None:
    found = {path for verb, path, _ in NUMBERS if verb == "loop.submit"}
    assert {("spec", name) for name in LIMITS} | {("priority",)} == found


def spec_with(field: str, value: float) -> LoopSpec:
    number: dict[str, Any] = {field: value}
    return LoopSpec(name="x", desired_state="x", **number)


@pytest.mark.parametrize("field", LIMITS)
@pytest.mark.parametrize("value", [1e15, -1])
def test_a_command_refuses_in_the_same_words(field: str, value: float) -> None:
    given = int(value) if field in {"max_iterations", "max_ask_delay", "max_tokens"} else value
    expected = refused("loop.submit", ("spec", field), given)
    option = f"--{field.replace('_', '-')}"
    command, words = find(FTL2CTL, ["submit", "x", option, str(given)])
    with pytest.raises(Problem) as problem:
        parsing.parse(FTL2CTL, command, words)
    assert problem.value.message.replace(option, field) == expected.message
    assert problem.value.hint == expected.hint
    with pytest.raises(Problem) as problem:
        SubmitLoop(spec=spec_with(field, given))
    assert str(problem.value) == str(expected)


@pytest.mark.parametrize("field", LIMITS)
def test_the_limits_themselves_are_valid(field: str) -> None:
    limits = LIMITS[field]
    for value in (limits.at_least, limits.at_most):
        if value is not None:
            spec = spec_with(field, value)
            assert SubmitLoop(spec=spec).spec == spec


def test_a_stored_loop_with_other_numbers_stays_readable() -> None:
    stored = msgspec.json.encode(LoopSpec(name="x", desired_state="x", interval=1e15))
    assert msgspec.json.decode(stored, type=LoopSpec).interval == 1e15
