"""The process of one loop: claim the loop, run it, then rest or end. The claim excludes every other process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import traceback
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import after, seconds_between
from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.engine import inventory_state, reconcile, run_end
from ftl2_enterprise.loops.engine.after_run import LoopEnd, after_run
from ftl2_enterprise.loops.engine.journal import LoopJournal
from ftl2_enterprise.loops.engine.run_end import RunEnd
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import claim as claim_units, desired_state as desired_units, runs as run_units
from ftl2_enterprise.protocol.loops.facts import LoopRested
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    IterationOutcome,
    Loop,
    LoopState,
    Outcome,
)
from ftl2_enterprise.store.unit import DirectWriter

if TYPE_CHECKING:
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import Writer

CHECK_UNREADABLE = 60.0
"""Seconds until a loop that is held because something cannot be read checks whether it can be read now."""
CHECK_FREEZE = 600.0
"""Seconds until a loop that a freeze holds runs anyway, to find out whether it still does.

The end of the freeze usually wakes it earlier.
"""
POLL = 1.0
"""Seconds between reads of the loop's row while it rests in the foreground, as other processes may change it."""


class Crashed(Exception):
    """An unexpected exception, with the id that the loop's reason names; the message is the redacted traceback."""

    def __init__(self, crash_id: str, details: str) -> None:
        super().__init__(f"internal error {crash_id}\n{details}")
        self.crash_id: str = crash_id


def take(loop_id: int, writer: Writer) -> int:
    """Claim the loop for this process; returns the generation that fences its writes.

    Raises Problem(conflict) when the loop has ended or another live process owns it.
    """
    generation: int = writer.execute([claim_units.claim.call(loop_id, lease.current())])
    reach(LoopFaultPoint.LOOP_CLAIMED)
    return generation


def claim(database: Store, loop_id: int, writer: Writer | None = None) -> LoopJournal:
    """Claim the loop for this process, which writes directly unless a writer is given. Raises as `take` does."""
    writer = writer or DirectWriter(database)
    return LoopJournal(database, writer, loop_id, take(loop_id, writer))


def release(journal: LoopJournal) -> None:
    """Release the claim; the rows record the state of the loop."""
    # A failure does no harm: the loop has another owner by now, or the claim expires with this process.
    with contextlib.suppress(Problem):
        journal.commit(claim_units.release, journal.loop_id, journal.generation)


async def run(engine: LoopContext, *, waits_for_thaw: bool = True) -> Loop:
    """Run the loop until it ends, has nothing to do for a while, or a stop is requested; returns its row.

    `waits_for_thaw`: whether this process waits for the end of a freeze that holds the loop.

    Raises Crashed for an unexpected exception, after recording that the loop has failed.
    """
    journal = engine.journal
    inventory_state.restore(engine)
    loop = journal.read(loop_rows.get_loop, journal.loop_id)
    if loop.desired is not Desired.RUN:
        return halt(journal, is_served=engine.is_served)
    # The freeze that it waited for may have ended since.
    left = 0.0 if loop.frozen_by is not None else _left(engine, loop)
    if loop.state is LoopState.RESTING and not await _rest(engine, left):
        return halt(journal, is_served=engine.is_served)
    while True:
        resumed = journal.read(_continues_run, journal.loop_id, engine.limits.stale_after)
        journal.commit(
            run_units.start_run,
            loop.id,
            journal.generation,
            run=loop.run if resumed else loop.run + 1,
            resumed=resumed,
            max_iterations=engine.spec.max_iterations,
        )
        end, crash = await _reconcile(engine)
        if end.frozen is not None:
            delay = _hold(engine, end.frozen)
            reach(LoopFaultPoint.LOOP_RESTING)
            if not waits_for_thaw:
                return journal.read(loop_rows.get_loop, loop.id)
            if not await _rest(engine, delay, freeze=end.frozen):
                return halt(journal, is_served=engine.is_served)
            continue
        if end.outcome is None:
            return halt(journal, is_served=engine.is_served)
        delay = _after(engine, end, end.outcome)
        if crash is not None:
            raise crash from None
        loop = journal.read(loop_rows.get_loop, loop.id)
        if delay is None:
            return loop
        reach(LoopFaultPoint.LOOP_RESTING)
        if not await _rest(engine, delay):
            return halt(journal, is_served=engine.is_served)


def _continues_run(tx: Tx, loop_id: int, stale_after: float) -> bool:
    """Whether to continue the last run: it was interrupted, and not settled, or settled only recently."""
    loop = loop_rows.get_loop(tx, loop_id)
    # A loop that is paused while it rests keeps the time of its next run.
    interrupted = loop.state is LoopState.RUNNING or (loop.state is LoopState.PAUSED and loop.next_run_at is None)
    so_far = loop_rows.iterations_of_run(tx, loop.id, loop.run)
    if not so_far:
        return interrupted and loop.run > 0
    if so_far[-1].revision != loop.revision:
        return False
    ended_at = so_far[-1].ended_at
    if ended_at is None:
        return True
    settled = run_end.settled(so_far[-1]) is not None
    return interrupted and (not settled or 0 <= seconds_between(ended_at, tx.now) <= stale_after)


async def _reconcile(engine: LoopContext) -> tuple[RunEnd, Crashed | None]:
    """Reconcile; an unexpected exception fails the run, and is returned so that it is raised after that is recorded.

    Raises Problem when the database cannot be written or another process owns the loop: it can be resumed then.
    """
    try:
        return await reconcile.run(engine), None
    except Problem as problem:
        if problem.code in {Code.UNAVAILABLE, Code.CONFLICT}:
            raise
        return _give_up(engine, str(problem)), None
    except Exception as error:
        crash_id = secrets.token_hex(4)
        details = engine.redactor.text("".join(traceback.format_exception(error)))
        return _give_up(engine, f"internal error {crash_id}"), Crashed(crash_id, details)


def _give_up(engine: LoopContext, reason: str) -> RunEnd:
    journal, reason = engine.journal, engine.redactor.text(reason)
    iteration = journal.read(loop_rows.open_iteration, journal.loop_id)
    if iteration is not None:
        journal.commit(
            run_units.give_up,
            iteration,
            journal.generation,
            outcome=IterationOutcome.FAILED,
            lost="the loop failed while it ran",
            reason=reason,
        )
    return RunEnd(outcome=Outcome.FAILED, reason=reason)


def _after(engine: LoopContext, end: RunEnd, outcome: Outcome) -> float | None:
    """Record how the run ended; returns the seconds to rest, or None when the loop, or this process, has ended."""
    journal = engine.journal
    loop = journal.read(loop_rows.get_loop, journal.loop_id)
    follow = after_run(
        outcome,
        engine.spec.mode,
        failures=loop.failures,
        interval=engine.spec.interval,
        jitter=engine.limits.jitter,
        cap=engine.limits.backoff_cap,
        random=engine.random(),
    )
    reason = end.reason
    values: dict[str, Any] = {"reason": reason}
    succeeded = outcome in {Outcome.CONVERGED, Outcome.PREVIEWED}
    if outcome is Outcome.MODEL_FAILED or (loop.condition is Condition.IN_SYNC and not succeeded):
        values["condition"] = Condition.UNKNOWN
    if isinstance(follow, LoopEnd):
        values |= {"outcome": outcome, "next_run_at": None}
        fact = follow.fact(outcome=outcome, reason=reason)
        journal.commit(run_units.end_run, journal.loop_id, journal.generation, fact, values=values)
        return None
    values["failures"] = follow.failures
    fact = LoopRested(
        outcome=outcome, reason=reason, next_run_at=after(engine.clock.now(), follow.delay), delay=follow.delay,
        failures=follow.failures,
    )  # fmt: skip
    rests = journal.commit(run_units.end_run, journal.loop_id, journal.generation, fact, values=values)
    return follow.delay if rests else None


def _hold(engine: LoopContext, freeze: Freeze) -> float:
    """Record that the freeze holds the loop; returns the seconds to rest."""
    journal, now = engine.journal, engine.clock.now()
    next_run_at = after(now, CHECK_FREEZE if freeze.since else CHECK_UNREADABLE)
    if freeze.until is not None:
        next_run_at = max(now, min(next_run_at, freeze.until))
    journal.commit(
        run_units.hold,
        journal.loop_id,
        journal.generation,
        freeze=freeze.id,
        reason=engine.redactor.text(freeze.sentence),
        next_run_at=next_run_at,
    )
    # Its end wakes the loops that have recorded that they wait for it; this one may have been too late.
    return seconds_between(now, next_run_at) if engine.is_in_force(freeze) else 0.0


def halt(journal: LoopJournal, *, is_served: bool) -> Loop:
    """Stop at a safe point and apply the loop's `desired`; a later process continues from the rows."""
    reason = "its process was stopped; the next one continues" if is_served else "stopped on request"
    return journal.commit(
        desired_units.apply_desired, journal.loop_id, journal.generation, reason=reason, wakes_automatically=is_served
    )


def _left(engine: LoopContext, loop: Loop) -> float:
    """Seconds until the stored next run; limited to twice the interval, in case the clock was set back."""
    # The service starts the process when the run is due, so there is nothing left to wait for.
    if loop.next_run_at is None or engine.is_served:
        return 0.0
    longest = max(2 * loop.spec.interval, engine.limits.backoff_cap)
    return min(longest, max(0.0, seconds_between(engine.clock.now(), loop.next_run_at)))


async def _rest(engine: LoopContext, delay: float, *, freeze: Freeze | None = None) -> bool:
    """Wait for the next run, measured by the monotonic clock. False when this process must not wait for it.

    In the foreground the end of the `freeze` ends the wait.
    """
    if engine.limits.rest is not None and delay > engine.limits.rest:
        return False
    running, stop = asyncio.get_running_loop(), engine.stop
    until = running.time() + delay
    while (left := until - running.time()) > 0:
        woken = [asyncio.ensure_future(event.wait()) for event in (stop.requested, stop.woken)]
        try:
            # Only the service can wake a process; in the foreground the row has to be polled.
            await asyncio.wait(
                woken, timeout=left if engine.is_served else min(left, POLL), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for one in woken:
                one.cancel()
        stop.woken.clear()
        if stop.requested.is_set():
            return False
        if freeze is not None and not engine.is_served and not engine.is_in_force(freeze):
            return True
        runs_now = engine.journal.read(_runs_now, engine.journal.loop_id)
        if runs_now is not None:
            return runs_now
    return not stop.requested.is_set()


def _runs_now(tx: Tx, loop_id: int) -> bool | None:
    """What the row of a resting loop requests: True to run now, False to stop, None to keep resting."""
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.desired is not Desired.RUN:
        return False
    return True if loop.next_run_at is not None and loop.next_run_at <= tx.now else None
