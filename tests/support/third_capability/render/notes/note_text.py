"""Notes as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.render.text import Line, Role, clean, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.notes.nouns import NoteDetail


def note_lines(detail: NoteDetail) -> list[Line]:
    """The greeting, the name and the text."""
    head = line(f"{one_line(detail.greeting)} ", (one_line(detail.note.name), Role.STRONG))
    return [head, line(clean(detail.whole))]
