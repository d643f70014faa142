"""Reads a database for views, with the same handlers as the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.cli.loops import freezing
from ftl2_enterprise.core.children import Table
from ftl2_enterprise.loops.handlers.table import READS
from ftl2_enterprise.protocol.service.verbs import ListFreezes

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.tx import Tx


class LocalReader:
    """The `ViewReader` of one transaction. The service has no process here, so nothing is queued or stopping."""

    def __init__(self, session: CliSession, tx: Tx) -> None:
        self._session = session
        self._tx = tx
        self._children = Table()

    def call[R](self, request: Request[R]) -> R:
        """The reply of the handler. Raises Problem."""
        if isinstance(request, ListFreezes):
            in_force = [one for one in freezing.files(self._session).in_force() if not one.is_over(self._tx.now)]
            found: Any = freezing.records(self._session, in_force)
            return found
        handler: Any = READS[type(request)]
        return handler(self._tx, request, self._children)

    def now(self) -> Instant:
        """The time of the transaction."""
        return self._tx.now

    @property
    def room(self) -> int | None:
        """Maximum width of a table in columns; None when the output is not a terminal."""
        return self._session.out.room

    def command(self, words: str) -> str:
        """The command of this program, with the same database."""
        name, _, rest = words.partition(" ")
        if name == "answer" and rest.isdecimal():
            # Here the answer is an argument, because nothing is asked.
            words = f"respond {rest} ANSWER"
        return f"{self._session.command()} {words}"
