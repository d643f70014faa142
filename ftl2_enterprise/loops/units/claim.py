"""Units of work about the claim of a loop; see `units.runs`."""

from __future__ import annotations

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS, LOOP
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units.desired_state import supersede
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def claim(tx: Tx, loop_id: int, by: str) -> int:
    """Claim the loop for a process, named as in `core.lease`; returns the generation that fences its writes.

    Raises Problem(conflict) when the loop is in a final state or another live process owns it.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.owner is not None and loop.owner != by and lease.is_alive(loop.owner):
        raise conflict(
            f"cannot run loop {loop.name}: process {lease.pid_of(loop.owner)} is running it",
            "stop that process first, or give another --name",
        )
    if LOOP.is_final(loop.state):
        raise conflict(f"cannot run loop {loop.name}: it is {loop.state}", "start a new one under another --name")
    if loop.is_superseded and loop.state not in ENDED_LOOPS:
        # The process of the earlier revision has died, and its end was not recorded.
        supersede(tx, loop)
    return loop_rows.claim_loop(tx, loop_id, by)


@unit
def fence(tx: Tx, loop_id: int, generation: int) -> None:
    """Verify the claim; precedes every unit of a loop's process, including those that write other tables only.

    Raises Problem(conflict) when another process has claimed the loop since, so that a late process changes nothing.
    """
    loop_rows.update_loop(tx, loop_id, generation)


@unit
def release(tx: Tx, loop_id: int, generation: int) -> None:
    """Release the claim."""
    loop_rows.update_loop(tx, loop_id, generation, owner=None)


@unit
def nothing(tx: Tx) -> None:
    """Do nothing; committing it executes the units that were deferred."""
