"""What processes other than control have written about notes."""

from __future__ import annotations

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.notes import rows
from ftl2_enterprise.protocol.notes.facts import NoteArchived, NoteLeft, NoteRemoved, NoteWatched, note_subject
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def watched(tx: Tx, note_id: int, pid: int) -> None:
    """A process for the note has started."""
    tx.emit(NoteWatched(pid=pid), subject=note_subject(note_id))


@unit
def left(tx: Tx, note_id: int, signal: int | None) -> None:
    """The process for the note has ended."""
    tx.emit(NoteLeft(signal=signal), subject=note_subject(note_id))


@unit
def remove(tx: Tx, ids: list[int]) -> int:
    """Remove archived notes; returns how many there were."""
    removed = rows.remove(tx, ids)
    for note in removed:
        tx.emit(NoteRemoved(name=note.name), subject=note_subject(note.id))
    return len(removed)


@unit
def archive_named(tx: Tx, event: Event) -> None:
    """Archive the note that has the name which is in a fact."""
    note = rows.find(tx, str(event.data["name"]))
    if note is not None and rows.archive(tx, note.id):
        tx.emit(NoteArchived(because=event.subject), subject=note_subject(note.id))
