"""Facts and events: complete ones of which a test gives only what matters to it, and kinds for tests only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.inspect import type_info

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.loops.lifecycle import LOOP_EVENTS, LoopEvent, MovingFact
from ftl2_enterprise.protocol.fact import KIND, Fact, declare, kind_of

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant


class Noted(Fact, frozen=True, tag="test.noted"):
    """Something that means nothing to the program."""

    text: str = ""
    n: int = 0
    iteration_id: int | None = None
    actions: list[dict[str, Any]] = []
    sizes: dict[str, Any] = {}


class NotedAgain(Fact, frozen=True, tag="test.noted_again"):
    """Something else that means nothing to the program."""


class Awakening(Fact, frozen=True, tag="test.awakening"):
    """A fact that wakes managers."""

    wakes = True


declare(Noted, NotedAgain, Awakening)
LOOP_FACTS: dict[LoopEvent, type[MovingFact]] = {event: fact for fact, event in LOOP_EVENTS.items()}


def sample[F: Fact](kind: type[F], **fields: Any) -> F:
    """A fact with those fields; the others that it needs are the simplest there are."""
    return msgspec.convert({**_needed(kind), **msgspec.to_builtins(fields)}, kind)


def event(
    what: Fact | type[Fact], *, id: int = 1, at: Instant = 0, subject: str = "loop:1", actor: str | None = None,
    **fields: Any,
) -> Event:  # fmt: skip
    """The event that records the fact, which is made as by `sample`."""
    made = what if isinstance(what, Fact) else sample(what, **fields)
    data = msgspec.to_builtins(made)
    del data[KIND]
    return Event(id=id, at=at, kind=kind_of(type(made)), subject=subject, actor=actor, data=data)


def _needed(kind: type[Fact]) -> dict[str, Any]:
    found = type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    return {field.encode_name: _simplest(field.type) for field in found.fields if field.required}


def _simplest(kind: msgspec.inspect.Type) -> Any:
    match kind:
        case msgspec.inspect.EnumType():
            return next(iter(kind.cls)).value
        case msgspec.inspect.UnionType():
            return None
        case msgspec.inspect.IntType():
            return 1
        case msgspec.inspect.FloatType():
            return 0.0
        case msgspec.inspect.BoolType():
            return False
        case msgspec.inspect.StrType():
            return "x"
        case msgspec.inspect.ListType():
            return []
        case _:
            raise AssertionError(f"nothing is known of {kind}")
