"""Reads and writes rows of notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from ftl2_enterprise.core.problem import conflict, not_found
from ftl2_enterprise.notes.tables import notes
from ftl2_enterprise.protocol.notes.facts import note_subject
from ftl2_enterprise.protocol.notes.nouns import Note
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.events import list_events
from ftl2_enterprise.store.rows import Reader, text_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx

_NOTES = Reader(notes, Note)


def find(tx: Tx, name: str) -> Note | None:
    """The note of that name or id."""
    if name.isascii() and name.isdecimal():
        return _NOTES.get(tx, int(name))
    row = tx.connection.execute(_NOTES.select().where(notes.c.name == name)).first()
    return None if row is None else _NOTES.one(row)


def get(tx: Tx, name: str) -> Note:
    """The note of that name or id. Raises Problem(not_found)."""
    found = find(tx, name)
    if found is None:
        raise not_found(f"cannot find the note {name!r}")
    return found


def find_subject(tx: Tx, name: str) -> str:
    """The subject of a note, also of a removed one by its id. Raises Problem(not_found)."""
    if name.isascii() and name.isdecimal() and list_events(tx, subject=note_subject(int(name)), limit=1):
        return note_subject(int(name))
    return note_subject(get(tx, name).id)


def name_of(tx: Tx, note_id: int) -> str | None:
    """The name of the note; None when there is none."""
    return tx.connection.execute(select(notes.c.name).where(notes.c.id == note_id)).scalar()


def add(tx: Tx, name: str, text: str) -> int:
    """Add a note; returns its id. Raises Problem(conflict) when there is one of that name."""
    if find(tx, name) is not None:
        raise conflict(f"cannot add the note {name!r}: there is one of that name")
    values = {"name": name, "created_at": tx.now, **text_values("text", texts.put(tx, text))}
    key = tx.connection.execute(insert(notes).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def active(tx: Tx) -> list[int]:
    """Ids of the notes that are not archived."""
    return list(tx.connection.execute(select(notes.c.id).where(notes.c.archived_at.is_(None))).scalars())


def archive(tx: Tx, note_id: int) -> bool:
    """Archive the note; False when it is archived already."""
    query = update(notes).where(notes.c.id == note_id, notes.c.archived_at.is_(None)).values(archived_at=tx.now)
    return tx.connection.execute(query).rowcount > 0


def old(tx: Tx, before: Instant) -> list[int]:
    """Ids of the notes that were archived before an instant."""
    return list(tx.connection.execute(select(notes.c.id).where(notes.c.archived_at < before)).scalars())


def remove(tx: Tx, ids: Iterable[int]) -> list[Note]:
    """Remove these notes, and the texts that nothing else refers to."""
    removed = [note for note_id in ids if (note := _NOTES.get(tx, note_id)) is not None]
    tx.connection.execute(delete(notes).where(notes.c.id.in_([note.id for note in removed])))
    texts.collect(tx, [note.text.digest for note in removed])
    return removed
