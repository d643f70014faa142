"""Queries and writes of increments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops.rows import (
    increments as increment_rows,
    loops as loop_rows,
)
from tests.support.data.database import started_loop

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_increments_are_stored(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        first = increment_rows.insert_increment(tx, loop.id, desired_state="disks")
        second = increment_rows.insert_increment(tx, loop.id, desired_state="repair", is_fix=True, reason="review")
        assert (first.n, second.n, second.is_fix, second.state) == (1, 2, True, "pending")
        assert increment_rows.get_increments(tx, loop.id) == [first, second]
        iteration = loop_rows.insert_iteration(tx, loop.id, 1, increment_id=second.id)
        assert iteration.increment_id == second.id
