"""The verbs of notes."""

from __future__ import annotations

from typing import ClassVar

from ftl2_enterprise.protocol.notes.nouns import Note, NoteDetail
from ftl2_enterprise.protocol.verb import Access, Request


class AddNote(Request[Note], frozen=True, tag="note.add"):
    """Keep a text under a name."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    name: str
    text: str


class ShowNote(Request[NoteDetail], frozen=True, tag="note.show"):
    """One note with its complete text."""

    note: str


VERBS = (AddNote, ShowNote)
