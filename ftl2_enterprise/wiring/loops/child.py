"""What the process of one loop runs: its row says what to do, the writer records what was done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.children import ExitStatus
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process, secrets
from ftl2_enterprise.loops.engine.journal import LoopJournal
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import service as service_units
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.supervisor.forkserver.child_start import First
from ftl2_enterprise.supervisor.logs import child_output, log
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink
from ftl2_enterprise.wiring.loops import build
from ftl2_enterprise.wiring.loops.warm_up import Nobody
from ftl2_enterprise.wiring.settings import MODEL
from ftl2_enterprise.wiring.warmed_store import open_warmed

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import Settings
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Order


@dataclass
class ClaimedLoop:
    """What the process of a loop has before it has a second thread."""

    begun: child_startup.Startup
    link: WriterLink
    asked: list[int]
    """Signals that asked the process to end before its event loop received them."""
    generation: int = 0
    refused: Problem | None = None
    """Why the loop cannot be claimed."""
    helper: Helper | None = None


def claim_loop(order: Order) -> ClaimedLoop:
    """Take the loop for this process; before that it has no owner."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begun = child_startup.decode(order.argument)
    claimed = ClaimedLoop(begun=begun, link=WriterLink(begun.writer), asked=asked)
    try:
        claimed.generation = process.take(_loop_id(order.key), claimed.link)
    except Problem as problem:
        claimed.refused = problem
    return claimed


def fork_helper(order: Order, claimed: ClaimedLoop) -> ClaimedLoop:
    """Fork what performs the loop's calls on this machine: before this process has a second thread or a secret."""
    if claimed.refused is None:
        # After an OSError a program is executed with the first call, and may give a better reason.
        with contextlib.suppress(OSError):
            claimed.helper = Helper.fork(f"calls:{_loop_id(order.key)}", forget=claimed.link.close)
    return claimed


FIRST = First(claim=claim_loop, prepare=fork_helper)


def _loop_id(key: str) -> int:
    return int(key.partition(":")[2])


def run_loop(context: ChildContext) -> int:
    """Run one loop until there is nothing to do for a while; its row says where it stands."""
    claimed: ClaimedLoop = context.first
    loop_id = _loop_id(context.key)
    settings: Settings | None = None
    try:
        settings = claimed.begun.in_force(MODEL).settings
        if claimed.refused is not None:
            raise claimed.refused  # noqa: TRY301 - logged and turned into a status like what is raised below
        database = open_warmed(Path(settings.store.path))
        try:
            with database.read() as tx:
                loop = loop_rows.get_loop(tx, loop_id)
            _log_to(settings, loop_id, loop.name)
            child_output.capture(path_of(Path(settings.log.directory), loop_subject(loop_id)))
            secrets.hide_unit(os.environ)
            journal = LoopJournal(database, claimed.link, loop_id, claimed.generation)
            return asyncio.run(_run(journal, settings, claimed.asked, claimed.helper))
        finally:
            database.close()
    except Problem as problem:
        _log_early(settings, loop_id)
        log.get().log(_LEVEL.get(problem.code, 30), str(problem))
        return _STATUS.get(problem.code, ExitStatus.CRASHED)
    except Exception as error:
        _log_early(settings, loop_id)
        log.crash(error)
        return ExitStatus.CRASHED
    finally:
        claimed.link.close()
        log.close()


def _log_to(settings: Settings, loop_id: int, name: str | None = None) -> None:
    log.configure(
        f"loop:{name or loop_id}",
        level=settings.log.level,
        directory=Path(settings.log.directory),
        max_bytes=settings.log.max_bytes,
        subject=loop_subject(loop_id),
        name=name,
    )


def _log_early(settings: Settings | None, loop_id: int) -> None:
    """Configure the log for an error that occurred before the name of the loop was known."""
    if settings is not None and not log.is_configured():
        _log_to(settings, loop_id)


_STATUS = {
    Code.UNAVAILABLE: ExitStatus.UNREACHABLE,
    Code.CONFLICT: ExitStatus.HELD,
    Code.NOT_FOUND: ExitStatus.DONE,
}
_LEVEL = {Code.CONFLICT: 20, Code.NOT_FOUND: 20}


async def _run(journal: LoopJournal, settings: Settings, asked: list[int], helper: Helper | None) -> int:
    stop = StopSignal()
    running = asyncio.get_running_loop()
    running.add_signal_handler(signal.SIGTERM, stop.ask)

    def wake(number: int, frame: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: the process is about to end
            running.call_soon_threadsafe(stop.woken.set)

    # Not by the event loop, which gives a signal its default action back when it is closed, and that one kills: a
    # wake-up that comes while the process ends would be a crash. The handler for SIGTERM makes this one seen at once.
    signal.signal(signal.SIGUSR1, wake)
    for _ in asked:
        stop.ask()
    try:
        await _work(journal, settings, stop, helper)
    finally:
        process.release(journal)
    return ExitStatus.DONE


async def _work(journal: LoopJournal, settings: Settings, stop: StopSignal, helper: Helper | None) -> None:
    loop = journal.read(loop_rows.get_loop, journal.loop_id)
    if loop.desired is not Desired.RUN or stop.requested.is_set():
        # Before anything is read: a loop that cannot be read can be cancelled all the same.
        process.halt(journal, is_served=True)
        return
    try:
        needs = build.read(loop.spec, settings)
        log.learn(needs.bindings.values())
        engine = build.build(
            journal,
            loop,
            needs,
            settings=settings,
            people=Nobody(),
            stop=stop,
            clock=SystemClock(),
            served=build.Served(rest=settings.supervisor.rest, helper=helper),
        )
    except Problem as problem:
        if problem.code in {Code.UNAVAILABLE, Code.CONFLICT}:
            raise
        journal.commit(service_units.refuse, journal.loop_id, journal.generation, reason=str(problem))
        return
    try:
        await process.run(engine)
    except process.Crashed as crashed:
        message, _, told = str(crashed).partition("\n")
        log.get().error(message, crash=crashed.crash_id, traceback=told)
    finally:
        await engine.modules.close()
