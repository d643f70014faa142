"""One transaction: its connection, its time and the facts that it will have made true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.store.events import append

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.event import Event


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
        """Who causes what is recorded, unless a fact names somebody else."""
        self.emitted: list[Event] = []

    def emit(
        self,
        kind: str,
        *,
        loop_id: int | None = None,
        iteration_id: int | None = None,
        actor: str | None = None,
        **data: Any,
    ) -> Event:
        """Write a fact in this transaction; the listeners get it after the commit."""
        if not self.writes:
            raise RuntimeError(f"a reading transaction cannot record {kind!r}")
        event = append(
            self,
            at=self.now,
            kind=kind,
            loop_id=loop_id,
            iteration_id=iteration_id,
            actor=self.actor if actor is None else actor,
            data=data,
        )
        self.emitted.append(event)
        return event
