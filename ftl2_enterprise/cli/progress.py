"""Shows a running loop: plain lines, or nothing. The live display of terminals is in progress_live."""

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
    """Gets every fact of a loop and shows it."""

    narrator: Narrator

    def __call__(self, event: Event) -> None:
        """Show a fact."""
        ...

    def say(self, lines: Line | Iterable[Line]) -> None:
        """Show lines of the command itself."""
        ...

    def suspended(self) -> AbstractContextManager[None]:
        """While it lasts, the terminal belongs to somebody else."""
        ...

    def close(self) -> None:
        """Show no more; what was shown stays."""
        ...


class SilentProgress:
    """Counts, and shows nothing."""

    def __init__(self) -> None:
        self.narrator: Narrator = Narrator()

    def __call__(self, event: Event) -> None:
        """Count."""
        self.narrator.tell(event)

    def say(self, lines: Line | Iterable[Line]) -> None:
        """Nothing."""

    def suspended(self) -> AbstractContextManager[None]:
        """Nothing to suspend."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to close."""


class PlainProgress:
    """One line after the other, the same in every place that is no terminal."""

    def __init__(self, painter: Painter) -> None:
        self.narrator: Narrator = Narrator()
        self._painter = painter
        self._has_reader = True

    def __call__(self, event: Event) -> None:
        """Print its lines."""
        self.say(self.narrator.tell(event))

    def say(self, lines: Line | Iterable[Line]) -> None:
        """Print the lines."""
        if not self._has_reader:
            return
        try:
            self._painter.print(lines)
        except OSError:
            # Nobody reads any more (`run | head`, a closed terminal): the loop goes on, its record is the database.
            self._has_reader = False

    def suspended(self) -> AbstractContextManager[None]:
        """Nothing is redrawn, so nothing needs to stop."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to close."""


def progress(painter: Painter, *, silent: bool) -> Progress:
    """What suits the stream."""
    if silent:
        return SilentProgress()
    if painter.is_terminal:
        from ftl2_enterprise.cli.progress_live import LiveProgress  # noqa: PLC0415 - rich is not needed elsewhere

        return LiveProgress(painter)
    return PlainProgress(painter)
