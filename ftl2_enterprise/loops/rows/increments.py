"""Queries and writes of the planned steps of incremental loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.tables import increments
from ftl2_enterprise.protocol.loops.nouns import Increment, IncrementState
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx

_INCREMENTS = Reader(increments, Increment)


def insert_increment(
    tx: Tx, loop_id: int, *, desired_state: str, is_fix: bool = False, reason: str | None = None
) -> Increment:
    """Append the next planned step of a loop."""
    last = tx.connection.execute(select(func.max(increments.c.n)).where(increments.c.loop_id == loop_id)).scalar()
    row: dict[str, Any] = {
        "loop_id": loop_id,
        "n": (last or 0) + 1,
        "desired_state": desired_state,
        "state": IncrementState.PENDING,
        "is_fix": is_fix,
        "reason": reason,
        "created_at": tx.now,
    }
    increment_id = int(tx.connection.execute(insert(increments), row).lastrowid)
    return get_increment(tx, increment_id)


def get_increment(tx: Tx, increment_id: int) -> Increment:
    """One planned step. Raises Problem(not_found)."""
    found = _INCREMENTS.get(tx, increment_id)
    if found is None:
        raise problem.not_found(f"cannot find the increment {increment_id}")
    return found


def get_increments(tx: Tx, loop_id: int) -> list[Increment]:
    """The planned steps of a loop, in order."""
    query = _INCREMENTS.select().where(increments.c.loop_id == loop_id).order_by(increments.c.n)
    return _INCREMENTS.all(tx.connection.execute(query))
