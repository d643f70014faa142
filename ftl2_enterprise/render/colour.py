"""Writes lines to a stream: with colours on a terminal, as stable plain text elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import msgspec

from ftl2_enterprise.render import terminal
from ftl2_enterprise.render.text import Line, Role, Span, fitted, harmless

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
    """A stream and its display features."""

    stream: TextIO
    is_terminal: bool
    """Lines are broken at its width, and symbols are shown."""
    has_colour: bool
    width: int = 0
    """Columns of the terminal, when another process shows the text; 0: those of the stream."""

    def print(self, lines: Line | Iterable[Line]) -> None:
        """Write the lines and flush the stream."""
        self.stream.write(self.text(lines))
        self.stream.flush()

    def text(self, lines: Line | Iterable[Line]) -> str:
        """The lines as text, each ending with a line feed."""
        every = [lines] if isinstance(lines, Line) else lines
        room = self.room
        parts = (part for one in every for part in (fitted(one, room) if room is not None else [one]))
        return "".join(self.rendered(part) + "\n" for part in parts)

    @property
    def columns(self) -> int:
        """The current width of the terminal."""
        return self.width or terminal.columns(self.stream)

    @property
    def rows(self) -> int:
        """The current height of the terminal."""
        return terminal.rows(self.stream)

    @property
    def room(self) -> int | None:
        """Maximum width of a line in columns; None for no limit."""
        return self.columns if self.is_terminal else None

    def rendered(self, one: Line) -> str:
        """One line as text, without symbols unless the stream is a terminal, and with SGR sequences for its roles."""
        spans = [span for span in harmless(one).spans if self.is_terminal or not span.is_symbol]
        return (" " * one.indent + "".join(self._coloured(span) for span in spans)).rstrip()

    def _coloured(self, span: Span) -> str:
        code = SGR.get(span.role) if self.has_colour else None
        return f"\x1b[{code}m{span.text}\x1b[0m" if code and span.text.strip() else span.text


def painter(stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> Painter:
    """The painter of a stream, by default of standard output; `environ` has `TERM` and `NO_COLOR`."""
    target = sys.stdout if stream is None else stream
    is_terminal, has_colour = terminal.of(target, os.environ if environ is None else environ)
    return Painter(stream=target, is_terminal=is_terminal, has_colour=has_colour)
