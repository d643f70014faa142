"""A note."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.text import StoredText


class Note(Wire, frozen=True):
    """A text with a name."""

    id: int
    name: str
    created_at: Instant
    archived_at: Instant | None
    text: StoredText


class NoteDetail(Wire, frozen=True):
    """A note, as it is shown."""

    note: Note
    greeting: str
    whole: str
    """The complete text."""
    pid: int | None
    """Of its process."""
