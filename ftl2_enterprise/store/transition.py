"""A transition of a lifecycle is one guarded UPDATE, built from the machine's table."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, or_, select, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from ftl2_enterprise.core.state_machine import Machine
    from ftl2_enterprise.store.tx import Tx


_GUARD = "where_"

type _Machine = Machine[Any, Any]


@cache
def _prepared(machine: _Machine, table: Table, event: StrEnum, guards: tuple[str, ...]) -> Prepared:
    """The transition as a statement; what it writes besides the state is passed when it is executed."""
    sources = machine.sources(event)
    targets = set(sources.values())
    target: Any = targets.pop() if len(targets) == 1 else case(sources, value=table.c.state)
    there = or_(*(table.c.state == source for source in sources))
    guarded = [table.c[name] == bindparam(_GUARD + name) for name in guards]
    return Prepared(update(table).where(table.c.id == bindparam("row_id"), there, *guarded).values(state=target))


@cache
def _state(table: Table) -> Prepared:
    return Prepared(select(table.c.state).where(table.c.id == bindparam("row_id")))


def transition[S: StrEnum, E: StrEnum](
    tx: Tx,
    machine: Machine[S, E],
    table: Table,
    row_id: int,
    event: E,
    *,
    where: Mapping[str, Any] | None = None,
    **values: Any,
) -> S:
    """Move the row, if its state permits the event and its columns equal those in `where`; returns the new state.

    `values` are other columns to write. Raises Problem(conflict) when another process has moved the row, and
    Problem(not_found) when there is no such row; then nothing is written.
    """
    sources = machine.sources(event)
    targets = set(sources.values())
    if "updated_at" in table.c:
        values.setdefault("updated_at", tx.now)
    guards = {_GUARD + name: value for name, value in (where or {}).items()}
    moved = _prepared(machine, table, event, tuple(where or ())).change(tx, {"row_id": row_id, **guards, **values})
    if moved == 1 and len(targets) == 1:
        return next(iter(targets))
    found: S | None = _state(table).scalar(tx, {"row_id": row_id})
    if found is None:
        raise problem.not_found(f"cannot move {machine.name} {row_id}: it does not exist")
    if moved != 1:
        why = f"it is {found}" if found not in sources else "another process has changed it"
        raise problem.conflict(f"cannot record that {machine.name} {row_id} was {event}: {why}")
    return found
