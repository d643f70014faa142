"""One function per verb of notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.notes import rows
from ftl2_enterprise.protocol.notes.facts import NoteAdded, note_subject
from ftl2_enterprise.protocol.notes.nouns import Note, NoteDetail
from ftl2_enterprise.protocol.notes.verbs import AddNote, ShowNote
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import Unit, unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.protocol.verb import Request


@unit
def add_note(tx: Tx, request: AddNote) -> Note:
    """Add the note."""
    note_id = rows.add(tx, request.name, request.text)
    tx.emit(NoteAdded(name=request.name), subject=note_subject(note_id))
    return rows.get(tx, str(note_id))


def show_note(tx: Tx, request: ShowNote, children: Table, greeting: str) -> NoteDetail:
    """The note."""
    note = rows.get(tx, request.note)
    child = children.get(note_subject(note.id))
    pid = None if child is None else child.pid
    return NoteDetail(note=note, greeting=greeting, whole=texts.whole(tx, note.text), pid=pid)


READS: dict[type[Request[Any]], Callable[..., Any]] = {ShowNote: show_note}
WRITES: dict[type[Request[Any]], Unit[..., Any]] = {AddNote: add_note}
