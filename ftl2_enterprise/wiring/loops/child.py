"""The process of one loop in the service: it reads its row, and writes through the writer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process, secrets
from ftl2_enterprise.loops.engine.after_run import rest_after_failure
from ftl2_enterprise.loops.engine.journal import LoopJournal
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.loops.units import process_end as end_units
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.supervisor import child
from ftl2_enterprise.supervisor.forkserver.child_start import First
from ftl2_enterprise.supervisor.logs import log
from ftl2_enterprise.wiring.children import run_child
from ftl2_enterprise.wiring.loops import build, sources
from ftl2_enterprise.wiring.loops.warm_up import NoPrompter

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Order


@dataclass
class ClaimedLoop:
    """The state of a loop's process before it starts a second thread."""

    prepared: child.PreparedChild
    generation: int = 0
    helper: Helper | None = None


def claim_loop(order: Order) -> ClaimedLoop:
    """Claim the loop for this process."""
    claimed = ClaimedLoop(child.prepare(order))
    try:
        claimed.generation = process.take(child.id_of(order.key), claimed.prepared.writer)
    except Problem as problem:
        claimed.prepared.refused = problem
    return claimed


def fork_helper(order: Order, claimed: ClaimedLoop) -> ClaimedLoop:
    """Fork the helper for local calls, before this process has a second thread or a secret."""
    if claimed.prepared.refused is None:
        # After an OSError the first call executes the helper as a program, and may report a better reason.
        with contextlib.suppress(OSError):
            claimed.helper = Helper.fork(f"calls:{child.id_of(order.key)}", forget=claimed.prepared.writer.close)
    return claimed


FIRST = First(claim=claim_loop, prepare=fork_helper)


def run_loop(context: ChildContext) -> int:
    """Run one loop until it has nothing to do for a while; its row records its state."""
    claimed: ClaimedLoop = context.first

    def work(running: child.RunningChild) -> None:
        secrets.hide_unit(os.environ)
        journal = LoopJournal(running.store, running.writer, running.id, claimed.generation)
        asyncio.run(_run(journal, running, claimed.helper))

    return run_child(context, claimed.prepared, name_of=_name_of, work=work)


def _name_of(tx: Tx, loop_id: int) -> str:
    return loop_rows.get_loop(tx, loop_id).name


async def _run(journal: LoopJournal, running: child.RunningChild, helper: Helper | None) -> None:
    stop = StopSignal()
    running.on_signals(asyncio.get_running_loop(), stop=stop.ask, wake=stop.woken.set)
    try:
        await _work(journal, running.settings, stop, helper)
    finally:
        process.release(journal)


async def _work(journal: LoopJournal, settings: Settings, stop: StopSignal, helper: Helper | None) -> None:
    loop = journal.read(loop_rows.get_loop, journal.loop_id)
    if loop.desired is not Desired.RUN or stop.requested.is_set():
        # Before anything is read, so that a loop with unreadable files can be cancelled.
        process.halt(journal, is_served=True)
        return
    try:
        files = journal.read(sources.of_loop, loop)
        needs = build.read(loop.spec, settings, in_service=True, sources=files)
        log.use(needs.redactor)
        engine = build.build(
            journal,
            loop,
            needs,
            settings=settings,
            people=NoPrompter(),
            stop=stop,
            clock=SystemClock(),
            served=build.ServiceSupport(
                rest=settings.supervisor.rest,
                helper=helper,
                rule_output=lambda line: log.get().info("a rule printed", line=line),
            ),
        )
    except Problem as problem:
        if problem.code in {Code.UNAVAILABLE, Code.CONFLICT}:
            raise
        of_loops = settings.section(LoopSettings)
        rest = rest_after_failure(
            loop.failures,
            interval=loop.spec.interval,
            jitter=of_loops.jitter,
            cap=of_loops.backoff_cap,
            random=random.random(),
        )
        journal.commit(end_units.refuse, journal.loop_id, journal.generation, reason=str(problem), delay=rest.delay)
        return
    try:
        await process.run(engine)
    except process.Crashed as crashed:
        message, _, details = str(crashed).partition("\n")
        log.get().error(message, crash=crashed.crash_id, traceback=details)
    finally:
        await engine.rules.close()
        await engine.modules.close()
