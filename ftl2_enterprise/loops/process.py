"""What the process of one loop runs: claim the loop, run it, rest or end, and never overlap with another process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import owner
from ftl2_enterprise.core.clock import after, seconds_between
from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops import reconcile, store, store_hosts, units
from ftl2_enterprise.loops.journal import Journal
from ftl2_enterprise.loops.lifecycle import LoopEvent
from ftl2_enterprise.loops.modes import End, after_run
from ftl2_enterprise.loops.ports import HostEntry
from ftl2_enterprise.protocol.loops import Condition, Desired, HostState, Loop, LoopState, Outcome

if TYPE_CHECKING:
    from ftl2_enterprise.loops.engine import Engine
    from ftl2_enterprise.loops.reconcile import RunEnd
    from ftl2_enterprise.store.engine import Store
    from ftl2_enterprise.store.tx import Tx

POLL = 1.0
"""Seconds between looks, while resting, for what other processes ask of the loop."""

FINAL = {LoopState.COMPLETED, LoopState.CANCELLED}


def claim(database: Store, loop_id: int) -> Journal:
    """Take the loop for this process. Raises Problem(conflict) when it has ended or its holder lives."""
    with database.write() as tx:
        generation = _claim(tx, loop_id)
    reach(FaultPoint.LOOP_CLAIMED)
    return Journal(database, loop_id, generation)


def _claim(tx: Tx, loop_id: int) -> int:
    loop = store.get_loop(tx, loop_id)
    me = owner.current()
    if loop.owner is not None and loop.owner != me and owner.is_alive(loop.owner):
        raise conflict(
            f"cannot run loop {loop.name}: process {owner.pid_of(loop.owner)} is running it",
            "stop that process first, or give another --name",
        )
    if loop.state in FINAL:
        raise conflict(f"cannot run loop {loop.name}: it is {loop.state}", "start a new one under another --name")
    return store.claim_loop(tx, loop_id, me)


def release(journal: Journal) -> None:
    """Give the loop back; the rows say where it stands."""
    journal.commit(_release, journal.loop_id, journal.generation)


def _release(tx: Tx, loop_id: int, generation: int) -> None:
    store.update_loop(tx, loop_id, generation, owner=None)


async def run(engine: Engine) -> Loop:
    """Run the loop until it ends, waits for an answer, or a stop is asked. Returns its row."""
    journal = engine.journal
    _register(engine)
    loop = journal.read(store.get_loop, journal.loop_id)
    if loop.state is LoopState.RESTING and not await _rest(engine, _left(engine, loop)):
        return _pause(engine)
    while True:
        loop = journal.read(store.get_loop, journal.loop_id)
        resumed = journal.read(store.open_iteration, loop.id) is not None
        fresh = not resumed and loop.state is not LoopState.RUNNING
        journal.commit(
            units.start_run,
            loop.id,
            journal.generation,
            run=loop.run + 1 if fresh or loop.run == 0 else loop.run,
            resumed=resumed,
            max_iterations=engine.spec.max_iterations,
        )
        end = await reconcile.run(engine)
        if end.waiting:
            return journal.read(store.get_loop, loop.id)
        if end.outcome is None:
            return _pause(engine)
        delay = _after(engine, loop.failures, end, end.outcome)
        if delay is None:
            return journal.read(store.get_loop, loop.id)
        reach(FaultPoint.LOOP_RESTING)
        if not await _rest(engine, delay):
            return _pause(engine)


def _register(engine: Engine) -> None:
    """Hosts that the loop registered in earlier processes belong to its live inventory."""
    for host in engine.journal.read(store_hosts.get_hosts, engine.journal.loop_id):
        if host.state is HostState.REGISTERED:
            engine.modules.add_host(
                HostEntry(
                    name=host.name,
                    ansible_host=host.ansible_host,
                    ansible_port=host.ansible_port,
                    ansible_user=host.ansible_user,
                    groups=tuple(host.groups),
                )
            )


def _after(engine: Engine, failures: int, end: RunEnd, outcome: Outcome) -> float | None:
    """Write how the run ended; the seconds to rest, or None when the loop has ended."""
    journal = engine.journal
    follow = after_run(
        outcome,
        engine.spec.mode,
        failures=failures,
        interval=engine.spec.interval,
        jitter=engine.limits.jitter,
        cap=engine.limits.backoff_cap,
        random=engine.random(),
    )
    reason = end.reason
    data: dict[str, Any] = {"outcome": outcome, "reason": reason}
    values: dict[str, Any] = {"reason": reason}
    if outcome is Outcome.MODEL_FAILED:
        values["condition"] = Condition.UNKNOWN
    if isinstance(follow, End):
        values |= {"outcome": outcome, "next_run_at": None}
        journal.commit(units.end_run, journal.loop_id, journal.generation, follow.event, data=data, values=values)
        return None
    next_run_at = after(engine.clock.now(), follow.delay)
    data |= {"next_run_at": next_run_at, "delay": follow.delay, "failures": follow.failures}
    values |= {"next_run_at": next_run_at, "failures": follow.failures}
    journal.commit(units.end_run, journal.loop_id, journal.generation, LoopEvent.RESTED, data=data, values=values)
    return follow.delay


def _pause(engine: Engine) -> Loop:
    """A stop was asked: the loop is paused where it is, and can be resumed from there."""
    journal = engine.journal
    loop = journal.read(store.get_loop, journal.loop_id)
    if loop.state in {LoopState.RUNNING, LoopState.RESTING}:
        reason = "stopped by its process's user"
        journal.commit(
            units.end_run,
            loop.id,
            journal.generation,
            LoopEvent.PAUSED,
            data={"outcome": None, "reason": reason},
            values={"reason": reason},
        )
    return journal.read(store.get_loop, loop.id)


def _left(engine: Engine, loop: Loop) -> float:
    """Seconds until the stored next run; never longer than twice the interval, should the clock have gone back."""
    if loop.next_run_at is None:
        return 0.0
    longest = max(2 * loop.spec.interval, engine.limits.backoff_cap)
    return min(longest, max(0.0, seconds_between(engine.clock.now(), loop.next_run_at)))


async def _rest(engine: Engine, delay: float) -> bool:
    """Wait for the next run, by a clock that does not jump. False when a stop was asked."""
    running = asyncio.get_running_loop()
    until = running.time() + delay
    while (left := until - running.time()) > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(engine.stop.requested.wait(), min(left, POLL))
        if engine.stop.requested.is_set():
            return False
        wish = engine.journal.read(_wish, engine.journal.loop_id)
        if wish is not None:
            return wish
    return not engine.stop.requested.is_set()


def _wish(tx: Tx, loop_id: int) -> bool | None:
    """What other processes ask of a resting loop: True to run now, False to stop, None for nothing."""
    loop = store.get_loop(tx, loop_id)
    if loop.desired is not Desired.RUN:
        return False
    return True if loop.next_run_at is not None and loop.next_run_at <= tx.now else None
