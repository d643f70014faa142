"""The facts of notes. The subject of each is its note."""

from __future__ import annotations

from typing import ClassVar

from ftl2_enterprise.protocol.fact import Fact, LogLevel, declare

NOTE = "note"
"""The kind of subject that a note is."""


def note_subject(note_id: int) -> str:
    """The subject of facts about the note."""
    return f"{NOTE}:{note_id}"


class NoteAdded(Fact, frozen=True, tag="note.added"):
    """A note was added."""

    wakes: ClassVar[bool] = True

    name: str
    """Its name."""


class NoteWatched(Fact, frozen=True, tag="note.watched"):
    """A process for the note has started."""

    pid: int
    """Of the process."""


class NoteLeft(Fact, frozen=True, tag="note.left"):
    """The process for the note has ended."""

    level: ClassVar[LogLevel] = "warning"

    signal: int | None
    """The signal that ended it."""


class NoteArchived(Fact, frozen=True, tag="note.archived"):
    """The note needs no process any more, and is removed later."""

    wakes: ClassVar[bool] = True

    because: str
    """The subject of the fact that led to it."""


class NoteRemoved(Fact, frozen=True, tag="note.removed"):
    """The note was removed."""

    is_final: ClassVar[bool] = True

    name: str
    """Its name."""


TITLE = "Notes"
FACTS = declare(NoteAdded, NoteWatched, NoteLeft, NoteArchived, NoteRemoved)
