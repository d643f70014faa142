"""Units of work for the end of a loop's process, and for one that cannot run the loop."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant, after
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS
from ftl2_enterprise.loops.restart_policy import ProcessEnd, RestartLimits, decide_restart
from ftl2_enterprise.loops.rows import loops as loop_rows, processes as process_rows
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.loops.units.desired_state import close_iteration, settle, supersede
from ftl2_enterprise.protocol.loops.facts import (
    LoopCrashed,
    LoopFailed,
    LoopProcessEnded,
    LoopRested,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    IterationOutcome,
    Loop,
    LoopState,
    Mode,
    Outcome,
)
from ftl2_enterprise.store.events import short
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def record_end(
    tx: Tx, loop_id: int, end: ProcessEnd, *, pid: int | None, started_at: Instant | None, restarts: RestartLimits,
    random: float,
) -> Loop | None:  # fmt: skip
    """Record that the process of the loop has ended: apply the desired state, and count a crash.

    Repeated reports of the same end are recorded once. None when the loop was deleted or another process owns it by
    now.
    """
    try:
        loop = loop_rows.get_loop(tx, loop_id)
    except Problem:
        return None
    if _is_noted(end) and process_rows.is_end_noted(tx, loop_id, pid, started_at):
        return loop
    found = decide_restart(
        end,
        crashes=loop.crashes,
        crashes_since=loop.crashes_since,
        now=tx.now,
        restarts=restarts,
        random=random,
    )
    if process_rows.is_held(loop):
        loop_rows.change_loop(tx, loop_id, restart_at=found.restart_at)
        return None
    # Units that the dead process submitted and that are still queued must not be executed after this.
    loop_rows.revoke_claim(tx, loop)
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.state in ENDED_LOOPS or loop.state is LoopState.BLOCKED:
        return loop
    if loop.desired is not Desired.RUN:
        _note_end(tx, loop, end, pid, started_at)
        return settle(tx, loop)
    is_superseded = loop.is_superseded
    loop = supersede(tx, loop)
    _note_end(tx, loop, end, pid, started_at, crashes=found.crashes, restart_at=found.restart_at)
    loop_rows.change_loop(
        tx, loop_id, crashes=found.crashes, crashes_since=found.crashes_since, restart_at=found.restart_at
    )
    if found.failed is not None and not is_superseded:
        fail(tx, loop, reason=found.failed)
    return loop_rows.get_loop(tx, loop_id)


def _is_noted(end: ProcessEnd) -> bool:
    return end.is_crash or end.why is not Why.EXITED


def _note_end(
    tx: Tx, loop: Loop, end: ProcessEnd, pid: int | None, started_at: Instant | None, *,
    crashes: int | None = None, restart_at: Instant | None = None,
) -> None:  # fmt: skip
    if not _is_noted(end):
        return
    fact = LoopCrashed if end.is_crash else LoopProcessEnded
    tx.emit(
        fact(
            why=end.why, status=end.status, signal=end.signal, pid=pid, started_at=started_at, told=end.describe(),
            crashes=crashes, restart_at=restart_at,
        ),
        subject=loop_subject(loop.id),
    )  # fmt: skip


def fail(tx: Tx, loop: Loop, *, reason: str) -> None:
    """Fail the loop, and close its open iteration, prompts and actions."""
    close_iteration(tx, loop, IterationOutcome.FAILED, reason=reason)
    fact = LoopFailed(outcome=Outcome.FAILED, reason=reason)
    loop_rows.move_loop(
        tx, loop.id, loop.generation, fact, outcome=fact.outcome, reason=fact.reason, next_run_at=None
    )


@unit
def refuse(tx: Tx, loop_id: int, generation: int, *, reason: str, delay: float) -> Loop:
    """Record that the process of the loop, before executing anything, found that it cannot run as specified.

    A single loop fails. For a continuous one this is a check that failed: what it reads may be readable again when it
    tries after `delay` seconds.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.is_superseded:
        return supersede(tx, loop)
    if loop.state in ENDED_LOOPS or loop.state is LoopState.BLOCKED:
        return loop
    if loop.mode is not Mode.CONTINUOUS:
        fail(tx, loop, reason=reason)
    elif loop.state is LoopState.WAITING:
        # What people were asked stays as it is.
        loop_rows.update_loop(tx, loop_id, generation, reason=short(reason), restart_at=after(tx.now, delay))
    else:
        _postpone(tx, loop, reason=reason, delay=delay)
    return loop_rows.get_loop(tx, loop_id)


def _postpone(tx: Tx, loop: Loop, *, reason: str, delay: float) -> None:
    close_iteration(tx, loop, IterationOutcome.INTERRUPTED, reason=reason)
    run_units.start_run(
        tx, loop.id, loop.generation, run=loop.run + 1, resumed=False, max_iterations=loop.spec.max_iterations
    )
    rested = LoopRested(
        outcome=Outcome.NOT_CONVERGED, reason=reason, next_run_at=after(tx.now, delay), delay=delay,
        failures=loop.failures + 1,
    )  # fmt: skip
    values = {"reason": reason, "failures": rested.failures, "condition": Condition.UNKNOWN}
    run_units.end_run(tx, loop.id, loop.generation, rested, values=values)
