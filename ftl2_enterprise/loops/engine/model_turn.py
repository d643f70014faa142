"""Waiting for the turn of a loop to call its model. Nothing is held while it waits but the position in a queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.loops.ports import StoppedWaiting
from ftl2_enterprise.loops.rows import model_queue
from ftl2_enterprise.protocol.loops.nouns import WaitReason

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.rows.model_queue import CallWaits
    from ftl2_enterprise.protocol.loops.nouns import Iteration

POLL = 0.5
"""Seconds between two checks in the foreground, where no other process can wake this one."""
POLL_SERVED = 5.0
"""Seconds between two checks in the service, which wakes the loop that is next; a killed process wakes none."""

SHORTEST = 0.05
"""Seconds between two checks at least, whatever the clock does."""


async def wait(engine: LoopContext, iteration: Iteration, provider: str, waiting: CallWaits) -> None:
    """Return when the call may probably begin; the caller tries.

    Raises StoppedWaiting when a stop is requested, or when the observations of the iteration become too old to decide
    on.
    """
    reason = waiting
    while True:
        await pause(engine, iteration, until=reason.until)
        found = engine.journal.read(model_queue.waits, iteration.loop_id, provider, engine.limits.models)
        if found is None or found.reason is not waiting.reason or (found.until != waiting.until and _is_shown(found)):
            # The caller begins, or records the new reason.
            return
        reason = found


async def pause(engine: LoopContext, iteration: Iteration, *, until: Instant | None = None) -> None:
    """Return after a while, at the latest at `until`, or when another process wakes the loop.

    Raises StoppedWaiting, as `wait` does.
    """
    running, stop = asyncio.get_running_loop(), engine.stop
    poll = POLL_SERVED if engine.is_served else POLL
    left = poll if until is None else min(poll, max(SHORTEST, seconds_between(engine.clock.now(), until)))
    events = [running.create_task(event.wait()) for event in (stop.requested, stop.woken)]
    try:
        await asyncio.wait(events, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in events:
            one.cancel()
    stop.woken.clear()
    if stop.requested.is_set():
        raise StoppedWaiting
    if not 0 <= seconds_between(iteration.started_at, engine.clock.now()) <= engine.limits.stale_after:
        raise StoppedWaiting


def _is_shown(waiting: CallWaits) -> bool:
    """Whether people see the end of the wait; that by the rate changes with each call of another loop."""
    return waiting.reason in {WaitReason.UNAVAILABLE, WaitReason.RETRY_AFTER}
