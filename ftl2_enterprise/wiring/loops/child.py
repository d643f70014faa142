"""What the process of one loop runs: its row says what to do, the writer records what was done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.children import ExitStatus
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process, secrets
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import service as service_units
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.supervisor.logs import child_output, log
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink
from ftl2_enterprise.wiring.loops import build
from ftl2_enterprise.wiring.loops.warm_up import Nobody
from ftl2_enterprise.wiring.warmed_store import open_warmed

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import Settings
    from ftl2_enterprise.loops.engine.journal import LoopJournal
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Order


def fork_helper(order: Order) -> Helper | None:
    """What performs the loop's calls on this machine: before it has a thread, and knows a secret."""
    try:
        return Helper.fork(f"calls:{order.key.partition(':')[2]}")
    except OSError:
        return None  # a program is executed then, with the first call; it may say better what is wrong


def run_loop(context: ChildContext) -> int:
    """Run one loop until there is nothing to do for a while; its row says where it stands."""
    asked: list[int] = []
    # Until the event loop listens: what is asked meanwhile is not lost.
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop_id = int(context.name)
    begun = child_startup.decode(context.argument)
    try:
        settings = begun.in_force().settings
        database = open_warmed(Path(settings.store.path))
        with database.read() as tx:
            loop = loop_rows.get_loop(tx, loop_id)
        log.configure(
            f"loop:{loop.name}",
            level=settings.log.level,
            directory=Path(settings.log.directory),
            max_bytes=settings.log.max_bytes,
            subject=loop_subject(loop_id),
            name=loop.name,
        )
        child_output.capture(path_of(Path(settings.log.directory), loop_subject(loop_id)))
        secrets.hide_unit(os.environ)
        link = WriterLink(begun.writer)
        try:
            return asyncio.run(_run(database, link, loop, settings, asked, context.first))
        finally:
            link.close()
            database.close()
    except Problem as problem:
        log.get().log(_LEVEL.get(problem.code, 30), str(problem))
        return _STATUS.get(problem.code, ExitStatus.CRASHED)
    except Exception as error:
        log.crash(error)
        return ExitStatus.CRASHED
    finally:
        log.close()


_STATUS = {
    Code.UNAVAILABLE: ExitStatus.UNREACHABLE,
    Code.CONFLICT: ExitStatus.HELD,
    Code.NOT_FOUND: ExitStatus.DONE,
}
_LEVEL = {Code.CONFLICT: 20, Code.NOT_FOUND: 20}


async def _run(
    database: Store, link: WriterLink, loop: Loop, settings: Settings, asked: list[int], helper: Helper | None
) -> int:
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
    journal = process.claim(database, loop.id, link)
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
