"""Shows a running loop as plain lines, or not at all; `progress_live` has the display for terminals."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from ftl2_enterprise.render.loops.narrator import Narrator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.render.colour import Painter
    from ftl2_enterprise.render.text import Line


class Progress(Protocol):
    """Receives every fact of a loop and shows it."""

    narrator: Narrator

    def __call__(self, event: Event) -> None:
        """Show a fact."""
        ...

    def show(self, lines: Line | Iterable[Line]) -> None:
        """Show lines of the command itself."""
        ...

    def suspended(self) -> AbstractContextManager[None]:
        """A context in which the caller owns the terminal, to ask the user."""
        ...

    def close(self) -> None:
        """Stop the display; printed lines stay."""
        ...


class SilentProgress:
    """Counts facts and shows nothing."""

    def __init__(self) -> None:
        self.narrator: Narrator = Narrator()

    def __call__(self, event: Event) -> None:
        """Count the fact."""
        self.narrator.lines_of_event(event)

    def show(self, lines: Line | Iterable[Line]) -> None:
        """Show nothing."""

    def suspended(self) -> AbstractContextManager[None]:
        """Nothing to suspend."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to close."""


class PlainProgress:
    """Prints one line after the other, for streams that are not terminals."""

    def __init__(self, painter: Painter) -> None:
        self.narrator: Narrator = Narrator()
        self._painter = painter
        self._has_reader = True

    def __call__(self, event: Event) -> None:
        """Print the lines for the fact."""
        self.show(self.narrator.lines_of_event(event))

    def show(self, lines: Line | Iterable[Line]) -> None:
        """Print the lines."""
        if not self._has_reader:
            return
        try:
            self._painter.print(lines)
        except OSError:
            # The reader is gone (`run | head`, a closed terminal). The loop continues: its record is the database.
            self._has_reader = False

    def suspended(self) -> AbstractContextManager[None]:
        """Nothing to suspend, because nothing is redrawn."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to close."""


def progress(painter: Painter, *, silent: bool) -> Progress:
    """The display for this stream; `silent` for one that shows nothing."""
    if silent:
        return SilentProgress()
    if painter.is_terminal:
        from ftl2_enterprise.cli.loops.progress_live import LiveProgress  # noqa: PLC0415 - rich is not needed elsewhere

        return LiveProgress(painter)
    return PlainProgress(painter)
