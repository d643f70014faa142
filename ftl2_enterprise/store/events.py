"""The event log: what happened, append-only, ordered by id, readable from a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Column, Index, Integer, Table, Text, insert, select

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.protocol.fact import KIND, Fact, kind_of
from ftl2_enterprise.store import session
from ftl2_enterprise.store.columns import Json, Words, clean, number, plain
from ftl2_enterprise.store.dialects import append_only
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from ftl2_enterprise.store.session import Session

LONGEST_TEXT = 2_000
"""Characters of one text in the data of an event."""

# No foreign keys: a fact outlives the rows that it is about.
events = Table(
    "events",
    metadata,
    number(),
    Column("at", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Words, nullable=True),
    Column("data", Json(dict[str, Any]), nullable=False),
    Index("events_by_subject", "subject", "id"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("reader", Text, primary_key=True, nullable=False),
    Column("event_id", Integer, nullable=False),
)
"""How far readers have come whose work is in the database too; `store.cursors` moves them."""

_INSERT = Prepared(insert(events))
_COLUMNS = ("at", "kind", "subject", "actor", "data")
_LAST = Prepared(select(events.c.id).order_by(events.c.id.desc()).limit(1))
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(dict[str, Any])
_TAG = len(f'{{"{KIND}":""')
"""Bytes before the fields of an encoded fact, without those of its kind."""
_COMMA = ord(",")

TRIGGERS = append_only(events)


class Emitted(msgspec.Struct, frozen=True):
    """A fact that a transaction has recorded; it becomes an event when the transaction commits."""

    id: int
    at: Instant
    fact: Fact
    subject: str
    actor: str | None
    data: str
    """The fields of the fact as they were written, in JSON."""

    def event(self) -> Event:
        """The event as a reader of the log receives it."""
        return Event(
            id=self.id,
            at=self.at,
            kind=kind_of(type(self.fact)),
            subject=self.subject,
            actor=self.actor,
            data=_decoder.decode(self.data),
        )


def short(value: Any) -> Any:
    """The value with every text in it cut to LONGEST_TEXT characters."""
    match value:
        case str():
            return shorten(value, LONGEST_TEXT)
        case dict():
            return {key: short(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [short(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def append(tx: Session, *, at: Instant, fact: Fact, subject: str, actor: str | None) -> Emitted:
    """Write one fact; it becomes an event when the transaction commits."""
    kind = kind_of(type(fact))
    data = _data_of(fact, kind)
    actor = None if actor is None else clean(actor)
    # Without the conversion of values, which are plain already: this is executed once or more for each write.
    event_id = session.insert(tx, _INSERT.sql(tx.driver, _COLUMNS), (at, kind, subject, actor, data))
    return Emitted(event_id, at, fact, subject, actor, data)


def _data_of(fact: Fact, kind: str) -> str:
    """The fields of the fact as JSON, with texts that are short enough and that every reader can decode."""
    try:
        encoded = _encode(fact)
    except (TypeError, ValueError, OverflowError):
        # A text with lone surrogates, or a number that is too large.
        pass
    else:
        # A text has at most as many characters as its encoding has bytes, so most facts need no closer inspection.
        if len(encoded) <= LONGEST_TEXT:
            begin = _TAG + len(kind)
            return "{" + encoded[begin + (encoded[begin] == _COMMA) :].decode()
    fields: dict[str, Any] = msgspec.to_builtins(fact, enc_hook=str)
    del fields[KIND]
    return _encode(short(plain(fields))).decode()


def list_events(tx: Session, *, after: int = 0, subject: str | None = None, limit: int = 100) -> list[Event]:
    """Events after the cursor, oldest first; only those about the subject, if one is given."""
    query = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
    if subject is not None:
        query = query.where(events.c.subject == subject)
    return [Event(**row) for row in tx.connection.execute(query).mappings()]


def last_event(tx: Session) -> int:
    """The id of the newest event; 0 when there is none."""
    return _LAST.scalar(tx, {}) or 0
