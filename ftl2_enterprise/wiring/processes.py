"""The processes that the forkserver forks: control, the writer and the children of every capability."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.children import ExitStatus
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.supervisor.forkserver.child_start import First
from ftl2_enterprise.supervisor.logs import log
from ftl2_enterprise.supervisor.readers import process as reader_process
from ftl2_enterprise.supervisor.writer import main as writer
from ftl2_enterprise.wiring import daemon
from ftl2_enterprise.wiring.capabilities import capabilities
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.links import links
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Firsts, Kinds, Order
    from ftl2_enterprise.supervisor.readers.messages import Reading


def run_control(context: ChildContext) -> int:
    """Run control in this process until root or the service ends; returns the exit status."""
    begun = child_startup.decode(context.argument)
    return _run("control", begun, lambda settings: daemon.run(context.descriptors, begun, context.first))


def run_writer(context: ChildContext) -> int:
    """Run the writer in this process until root ends it; returns the exit status."""

    def write(settings: Settings) -> int:
        listener = socket.socket(fileno=context.descriptors["writer"])
        writer.main(listener, lambda: open_database(Path(settings.store.path), create=False))
        return ExitStatus.DONE

    return _run("writer", child_startup.decode(context.argument), write)


def _run(name: str, begun: child_startup.Startup, work: Callable[[Settings], int]) -> int:
    """Run `work` with the current settings; log a failure. The exit status shows root whether a restart may help."""
    try:
        settings = begun.in_force(MODEL).settings
        log.configure(
            name,
            level=settings.log.level,
            directory=Path(settings.log.directory),
            max_bytes=settings.log.max_bytes,
        )
        return work(settings)
    except Problem as problem:
        log.get().error(str(problem))
        return ExitStatus.UNREACHABLE if problem.code is Code.UNAVAILABLE else ExitStatus.HOPELESS
    except Exception as error:
        log.crash(error)
        return ExitStatus.CRASHED
    finally:
        log.close()


def why_not_in_place(argument: str) -> str | None:
    """Why this program cannot take over from a running service whose writer has that argument; None if it can.

    Only a start migrates the database: in an upgrade in place, the previous writer still writes.
    """
    try:
        settings = child_startup.decode(argument).in_force(MODEL).settings
        open_database(Path(settings.store.path), create=False).close()
    except Problem as problem:
        return str(problem)
    return None


def kinds() -> Kinds:
    """The function to run for each kind of child, which is the part of its key before the colon."""
    found: dict[str, Callable[[ChildContext], int]] = {
        "control": run_control,
        "writer": run_writer,
    }
    # Imported here, because the writer executes their units of work.
    links()
    for capability in capabilities():
        for name, kind in capability.child_kinds.items():
            if found.setdefault(name, kind.run) is not kind.run:
                raise ValueError(f"{capability.name} declares {name!r}, which is already a kind of child")
    return found


def readings() -> Mapping[str, Reading[Any, Any]]:
    """What readers can do, by name. Raises ValueError for a name that is used twice."""
    found: dict[str, Reading[Any, Any]] = {}
    for capability in capabilities():
        for reading in capability.readings:
            if found.setdefault(reading.name, reading) is not reading:
                raise ValueError(f"{capability.name} declares {reading.name!r}, which is already a reading")
    return found


def _claim_nothing(order: Order) -> None:
    del order


def _fork_readers(order: Order, claimed: None) -> socket.socket | None:
    """Fork the process that forks readers, before control has a second thread or an open database."""
    del order, claimed
    try:
        return reader_process.forked(lambda connection: reader_process.serve(connection, readings()))
    except OSError:
        # The first request executes it as a program, and may report a better reason.
        return None


def firsts() -> Firsts:
    """The function that a child of each kind calls first."""
    return {"control": First(claim=_claim_nothing, prepare=_fork_readers)} | {
        name: kind.first
        for capability in capabilities()
        for name, kind in capability.child_kinds.items()
        if kind.first is not None
    }
