"""One transaction: its connection, its time and the facts that it records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.store import events, session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.fact import Fact
    from ftl2_enterprise.store.driver import Cursor, Driver, RawConnection
    from ftl2_enterprise.store.events import Emitted


class Tx:
    """Made by Store.write() and Store.read(); valid only inside their block."""

    def __init__(self, driver: Driver, database: Path, connection: Connection, now: Instant, *, writes: bool) -> None:
        self.driver: Driver = driver
        self.database: Path = database
        """Where the database is; private files are next to it."""
        self.connection: Connection = connection
        self.raw: RawConnection = connection.connection.driver_connection
        """The connection of the driver, for prepared statements."""
        self.now: Instant = now
        """The same instant in every row of the transaction."""
        self.writes: bool = writes
        self.actor: str | None = None
        """Who causes what is recorded, unless a fact names another actor."""
        self.emitted: list[Emitted] = []

    def emit(self, fact: Fact, *, subject: str, actor: str | None = None) -> Emitted:
        """Record a fact about the subject in this transaction; the listeners receive it after the commit."""
        if not self.writes:
            raise RuntimeError(f"cannot record {fact!r}: the transaction only reads")
        actor = self.actor if actor is None else actor
        emitted = events.append(self, at=self.now, fact=fact, subject=subject, actor=actor)
        self.emitted.append(emitted)
        return emitted

    def run(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute SQL of every driver, such as SAVEPOINT. Raises what SQLAlchemy raises."""
        return session.run(self, sql, values)

    @property
    def is_open(self) -> bool:
        """Whether the transaction still exists: some errors of the database end it."""
        return self.driver.in_transaction(self.raw)
