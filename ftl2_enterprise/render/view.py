"""A view: what a command that only reads shows, as a document for programs and as lines for people.

A view is a function of a reader. `ftl2ctl` gives it one that calls the service, the service one that calls its own
handlers, and `ftl2-enterprise` one that reads a database; so each view exists once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.verb import Request


class ViewReader(Protocol):
    """What a view reads from, and for whom it is laid out."""

    def call[R](self, request: Request[R]) -> R:
        """The reply to a verb that only reads. Raises Problem."""
        ...

    def now(self) -> Instant:
        """The time that ages are relative to."""
        ...

    @property
    def room(self) -> int | None:
        """Columns that a table may take; None where there is no limit."""
        ...

    def command(self, words: str) -> str:
        """How a command is typed here: with the name of the program, unless it is typed into its shell."""
        ...


class ViewContent(NamedTuple):
    """What was read, and how to show it to people."""

    document: Any
    lines: Callable[[], list[Line]]
    """May read more; called only when people are shown the view."""


def offer(reader: ViewReader, what: str, words: str, *, indent: int = 0) -> Line:
    """A line with a next step and the command for it."""
    return line((f"{what}: ", Role.FAINT), (reader.command(words), Role.COMMAND), indent=indent)
