"""Puts lines on a stream: with colours on a terminal, as stable plain text elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import msgspec

from ftl2_enterprise.render import terminal
from ftl2_enterprise.render.text import Line, Role, Span, fitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SGR: dict[Role, str] = {
    Role.FAINT: "2",
    Role.STRONG: "1",
    Role.ACCENT: "36",
    Role.COMMAND: "36",
    Role.GOOD: "32",
    Role.CHANGED: "33",
    Role.WARNING: "1;33",
    Role.BAD: "1;31",
}


class Painter(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and what it can show."""

    stream: TextIO
    is_terminal: bool
    """Lines may be redrawn, and symbols help."""
    has_colour: bool
    width: int = 0
    """Columns, when the terminal is not this stream but where its text will be shown."""

    def print(self, lines: Line | Iterable[Line]) -> None:
        """Write the lines, and hand them over at once."""
        self.stream.write(self.text(lines))
        self.stream.flush()

    def text(self, lines: Line | Iterable[Line]) -> str:
        """The lines as they are written."""
        every = [lines] if isinstance(lines, Line) else lines
        room = self.room
        parts = (part for one in every for part in (fitted(one, room) if room is not None else [one]))
        return "".join(self.rendered(part) + "\n" for part in parts)

    @property
    def columns(self) -> int:
        """How wide the terminal is now."""
        return self.width or terminal.columns(self.stream)

    @property
    def rows(self) -> int:
        """How high the terminal is now."""
        return terminal.rows(self.stream)

    @property
    def room(self) -> int | None:
        """Columns that a line may take; None where no line is too long."""
        return self.columns if self.is_terminal else None

    def rendered(self, one: Line) -> str:
        """The line as it is written."""
        spans = [span for span in one.spans if self.is_terminal or not span.is_symbol]
        return (" " * one.indent + "".join(self._coloured(span) for span in spans)).rstrip()

    def _coloured(self, span: Span) -> str:
        code = SGR.get(span.role) if self.has_colour else None
        return f"\x1b[{code}m{span.text}\x1b[0m" if code and span.text.strip() else span.text


def painter(stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> Painter:
    """The painter of a stream, by default of standard output."""
    target = sys.stdout if stream is None else stream
    is_terminal, has_colour = terminal.of(target, os.environ if environ is None else environ)
    return Painter(stream=target, is_terminal=is_terminal, has_colour=has_colour)
