"""A view: the output of a command that only reads, as a document for programs and as lines for people.

A view is a function of a reader. The reader of `ftl2ctl` calls the service, that of the service calls its own
handlers, and that of `ftl2-enterprise` reads a database, so that each view exists once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.verb import Request


class ViewReader(Protocol):
    """Where a view reads from, and the width and command syntax that its lines are made for."""

    def call[R](self, request: Request[R]) -> R:
        """The reply to a verb that only reads. Raises Problem."""
        ...

    def now(self) -> Instant:
        """The time that ages are relative to."""
        ...

    @property
    def room(self) -> int | None:
        """Maximum width of a table in columns; None for no limit."""
        ...

    def command(self, words: str) -> str:
        """A command as it is typed here: with the name of the program, except in its shell."""
        ...


class ViewContent(NamedTuple):
    """The document that was read, and a function that renders it for people."""

    document: Any
    lines: Callable[[], list[Line]]
    """May read more; called only when people are shown the view."""


def offer(reader: ViewReader, what: str, words: str, *, indent: int = 0) -> Line:
    """A line with a next step and its command."""
    return line((f"{what}: ", Role.FAINT), (reader.command(words), Role.COMMAND), indent=indent)
