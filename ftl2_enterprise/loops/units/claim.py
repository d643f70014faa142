"""Units of work about who runs a loop; see `units`."""

from __future__ import annotations

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

FINAL = {LoopState.COMPLETED, LoopState.CANCELLED}
"""A loop in one of these is never run again."""


@unit
def claim(tx: Tx, loop_id: int, by: str) -> int:
    """Take the loop for a process, named as `core.lease` does; returns the generation that its writes carry.

    Raises Problem(conflict) when the loop has ended or its holder lives.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.owner is not None and loop.owner != by and lease.is_alive(loop.owner):
        raise conflict(
            f"cannot run loop {loop.name}: process {lease.pid_of(loop.owner)} is running it",
            "stop that process first, or give another --name",
        )
    if loop.state in FINAL:
        raise conflict(f"cannot run loop {loop.name}: it is {loop.state}", "start a new one under another --name")
    return loop_rows.claim_loop(tx, loop_id, by)


@unit
def fence(tx: Tx, loop_id: int, generation: int) -> None:
    """Comes before every unit of a loop's process, also of those that touch other tables only.

    Raises Problem(conflict) when another process has claimed the loop since: a late process changes nothing.
    """
    loop_rows.update_loop(tx, loop_id, generation)


@unit
def release(tx: Tx, loop_id: int, generation: int) -> None:
    """Give the loop back; the rows say where it stands."""
    loop_rows.update_loop(tx, loop_id, generation, owner=None)


@unit
def nothing(tx: Tx) -> None:
    """What is deferred comes by itself."""
