"""One transaction: its connection, its time and the facts that it records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.store.events import Emitted, append

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.fact import Fact


class Tx:
    """Given by Store.write() and Store.read(), and good only inside their block."""

    def __init__(self, connection: Connection, now: Instant, *, writes: bool) -> None:
        self.connection: Connection = connection
        self.driver: Any = connection.connection.driver_connection
        """The driver's own connection, for what is prepared."""
        self.now: Instant = now
        """The same instant in every row of the transaction."""
        self.writes: bool = writes
        self.actor: str | None = None
        """Who causes what is recorded, unless a fact names someone else."""
        self.emitted: list[Emitted] = []

    def emit(self, fact: Fact, *, subject: str, actor: str | None = None) -> Emitted:
        """Record a fact about the subject in this transaction; the listeners get it after the commit."""
        if not self.writes:
            raise RuntimeError(f"a reading transaction cannot record {fact!r}")
        emitted = append(self, at=self.now, fact=fact, subject=subject, actor=self.actor if actor is None else actor)
        self.emitted.append(emitted)
        return emitted
