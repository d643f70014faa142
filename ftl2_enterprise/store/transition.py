"""One move of a lifecycle is one guarded UPDATE, made from the machine's table."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, select, update

from ftl2_enterprise.core import problem

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table, Update

    from ftl2_enterprise.core.machine import Machine
    from ftl2_enterprise.store.tx import Tx


@cache
def _guarded_update(machine: Machine[Any, Any], table: Table, event: StrEnum) -> Update:
    """The move as a statement, built once; its values are those that it is executed with."""
    sources = machine.sources(event)
    targets = set(sources.values())
    target: Any = targets.pop() if len(targets) == 1 else case(sources, value=table.c.state)
    moves = update(table).where(table.c.id == bindparam("row_id"), table.c.state.in_(list(sources)))
    return moves.values(state=target)


def transition[S: StrEnum, E: StrEnum](
    tx: Tx,
    machine: Machine[S, E],
    table: Table,
    row_id: int,
    event: E,
    *guards: ColumnElement[bool],
    **values: Any,
) -> S:
    """Move the row if it is where the event may happen and the guards hold; returns the new state.

    Raises Problem(conflict) when somebody else has moved it and Problem(not_found) when there is no such row; nothing
    is written then.
    """
    sources = machine.sources(event)
    targets = set(sources.values())
    state = table.c.state
    if "updated_at" in table.c:
        values.setdefault("updated_at", tx.now)
    statement = _guarded_update(machine, table, event).where(*guards)
    moved = tx.connection.execute(statement, {"row_id": row_id, **values})
    if moved.rowcount == 1 and len(targets) == 1:
        return next(iter(targets))
    found: S | None = tx.connection.execute(select(state).where(table.c.id == row_id)).scalar()
    if found is None:
        raise problem.not_found(f"cannot move {machine.name} {row_id}: there is none")
    if moved.rowcount != 1:
        why = f"it is {found}" if found not in sources else "another process has changed it"
        raise problem.conflict(f"cannot record that {machine.name} {row_id} was {event}: {why}")
    return found
