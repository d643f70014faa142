"""What the forkserver's children run: control, the writer, or one loop; and what is done once for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process, secrets
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.restart_policy import HELD, UNREACHABLE
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import service as service_units
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.supervisor.logs import child_output, log
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.writer import main as writer
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink
from ftl2_enterprise.wiring import daemon, loop as wiring
from ftl2_enterprise.wiring.warm_up import Nobody, open_warmed, warm_up

__all__ = ["FIRSTS", "kinds", "warm_up"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.settings import Settings
    from ftl2_enterprise.loops.engine.journal import LoopJournal
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Kinds, Order
    from ftl2_enterprise.wiring.daemon import Renders

DONE = 0
CRASHED = 70
HOPELESS = 78
"""Exit status of control and the writer when starting them again is of no use."""


# --- the supervisor's own ------------------------------------------------------------------------------------------


def run_control(context: ChildContext, renders: Renders) -> int:
    """Be control."""
    begun = child_startup.decode(context.argument)
    return _carefully("control", begun, lambda settings: daemon.run(context.descriptors, begun, renders))


def run_writer(context: ChildContext) -> int:
    """Be the writer."""

    def write(settings: Settings) -> int:
        listener = socket.socket(fileno=context.descriptors["writer"])
        writer.main(listener, Path(settings.store.path))
        return DONE

    return _carefully("writer", child_startup.decode(context.argument), write)


def _carefully(name: str, begun: child_startup.Startup, work: Callable[[Settings], int]) -> int:
    """Say why it cannot be done; what may go better next time is tried again by root."""
    try:
        settings = begun.in_force().settings
        _log_to(settings, name)
        return work(settings)
    except Problem as problem:
        log.get().error(str(problem))
        return UNREACHABLE if problem.code is Code.UNAVAILABLE else HOPELESS
    except Exception as error:
        log.crash(error)
        return CRASHED
    finally:
        log.close()


def _log_to(settings: Settings, source: str, **names: Any) -> None:
    log.configure(
        source,
        level=settings.log.level,
        directory=Path(settings.log.directory),
        max_bytes=settings.log.max_bytes,
        **names,
    )


# --- a loop --------------------------------------------------------------------------------------------------------


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
        _log_to(settings, f"loop:{loop.name}", loop_id=loop_id, loop=loop.name)
        child_output.capture(path_of(Path(settings.log.directory), loop_id))
        secrets.hide_unit(os.environ)
        link = WriterLink(begun.writer)
        try:
            return asyncio.run(_run(database, link, loop, settings, asked, context.first))
        finally:
            link.close()
            database.close()
    except Problem as problem:
        log.get().log(_LEVEL.get(problem.code, 30), str(problem))
        return _STATUS.get(problem.code, CRASHED)
    except Exception as error:
        log.crash(error)
        return CRASHED
    finally:
        log.close()


_STATUS = {Code.UNAVAILABLE: UNREACHABLE, Code.CONFLICT: HELD, Code.NOT_FOUND: DONE}
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
    return DONE


async def _work(journal: LoopJournal, settings: Settings, stop: StopSignal, helper: Helper | None) -> None:
    loop = journal.read(loop_rows.get_loop, journal.loop_id)
    if loop.desired is not Desired.RUN or stop.requested.is_set():
        # Before anything is read: a loop that cannot be read can be cancelled all the same.
        process.halt(journal, is_served=True)
        return
    try:
        needs = wiring.read(loop.spec, settings)
        log.learn(needs.bindings.values())
        engine = wiring.build(
            journal,
            loop,
            needs,
            settings=settings,
            people=Nobody(),
            stop=stop,
            clock=SystemClock(),
            served=wiring.Served(rest=settings.supervisor.rest, helper=helper),
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


def kinds(renders: Renders) -> Kinds:
    """What is run for a key, by what is before its colon."""
    return {"control": partial(run_control, renders=renders), "writer": run_writer, "loop": run_loop}


FIRSTS = {"loop": fork_helper}
"""What a child of a kind does before anything else."""
