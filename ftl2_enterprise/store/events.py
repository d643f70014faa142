"""The event log: what happened, append-only, ordered by id, readable from a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import DDL, Column, Index, Integer, Table, Text, event, insert, select

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.store.columns import Json, Words, clean, number, plain
from ftl2_enterprise.store.prepared import Prepared, run
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx

LONGEST_TEXT = 2_000
"""Characters of one text in the data of an event."""
SAFE = 2**53
"""Whole numbers up to here are the same for every reader of JSON."""

# No foreign keys: a fact outlives the rows that it speaks of.
events = Table(
    "events",
    metadata,
    number(),
    Column("at", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("loop_id", Integer, nullable=True),
    Column("iteration_id", Integer, nullable=True),
    Column("actor", Words, nullable=True),
    Column("data", Json(dict[str, Any]), nullable=False),
    Index("events_by_loop", "loop_id", "id"),
)

_INSERT = Prepared(insert(events)).sql(("at", "kind", "loop_id", "iteration_id", "actor", "data"))
_encoder = msgspec.json.Encoder()
_LAST = Prepared(select(events.c.id).order_by(events.c.id.desc()).limit(1))

TRIGGERS = {
    "events_never_change": (
        "CREATE TRIGGER events_never_change BEFORE UPDATE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    ),
    "events_never_go": (
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    ),
}

for _statement in TRIGGERS.values():
    event.listen(events, "after_create", DDL(_statement))


def short(value: Any) -> Any:
    """The value with every text in it cut to what an event may hold."""
    match value:
        case str() if len(value) > LONGEST_TEXT:
            return value[: LONGEST_TEXT - 1] + "…"
        case dict():
            return {key: short(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [short(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def append(
    tx: Tx,
    *,
    at: Instant,
    kind: str,
    loop_id: int | None,
    iteration_id: int | None,
    actor: str | None,
    data: dict[str, Any],
) -> Event:
    """Write one fact; it is one only when the transaction commits."""
    held = {clean(name): value if _fits(value) else short(plain(value)) for name, value in data.items()}
    actor = None if actor is None else clean(actor)
    row = (at, kind, loop_id, iteration_id, actor, _encoder.encode(held).decode())
    event_id = int(run(tx.driver, _INSERT, row).lastrowid or 0)
    return Event(id=event_id, at=at, kind=kind, loop_id=loop_id, iteration_id=iteration_id, actor=actor, data=held)


def _fits(value: Any) -> bool:
    """Whether it is a short text or a number, and can be held as it is: most are."""
    match value:
        case str():
            # Not a word of an enum, whose value is held.
            return value.__class__ is str and len(value) <= LONGEST_TEXT and value.isascii()
        case None | bool():
            return True
        case int():
            return -SAFE < value < SAFE
        case _:
            return False


def list_events(tx: Tx, *, after: int = 0, loop_id: int | None = None, limit: int = 100) -> list[Event]:
    """Facts behind the cursor, oldest first."""
    query = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
    if loop_id is not None:
        query = query.where(events.c.loop_id == loop_id)
    return [Event(**row) for row in tx.connection.execute(query).mappings()]


def last_event(tx: Tx) -> int:
    """The id of the newest fact; 0 when there is none."""
    return _LAST.scalar(tx, {}) or 0
