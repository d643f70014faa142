"""What every child of the service does around its own work: signals, settings, the writer, the database, its log.

The heartbeat is given by a thread that exists before this (`forkserver.child_start`). A capability declares a kind of
child with `FIRST`, and a function that calls `run` with its own work; kinds that claim something before they have a
second thread call `prepare` from their own `First`.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.children import ExitStatus
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.supervisor.forkserver.child_start import First
from ftl2_enterprise.supervisor.logs import child_output, log
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ftl2_enterprise.core.settings.model import Settings, SettingsModel
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Order

_STATUS = {
    Code.UNAVAILABLE: ExitStatus.UNREACHABLE,
    Code.CONFLICT: ExitStatus.HELD,
    Code.NOT_FOUND: ExitStatus.DONE,
}
_LEVEL = {Code.CONFLICT: 20, Code.NOT_FOUND: 20}


@dataclass
class PreparedChild:
    """What a child has before it has a second thread."""

    begun: child_startup.Startup
    writer: WriterLink
    asked: list[int]
    """Signals that asked the process to end before its event loop received them."""
    refused: Problem | None = None
    """Why the child cannot do its work, when that is known already."""


@dataclass(frozen=True, kw_only=True)
class RunningChild:
    """What a child has for its work."""

    id: int
    """Of its row: 17 of the key `note:17`."""
    settings: Settings
    store: Store
    """For reading."""
    writer: WriterLink
    """For units of work."""
    asked: list[int]

    def on_signals(
        self, running: asyncio.AbstractEventLoop, *, stop: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        """Call `stop` in the event loop when the process is to end, also when that was requested before; and `wake`
        when its row may have changed.
        """
        running.add_signal_handler(signal.SIGTERM, stop)

        def woken(number: int, frame: object) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed: the process is about to end
                running.call_soon_threadsafe(wake)

        # Not by the event loop, which gives a signal its default action back when it is closed, and that one kills: a
        # wake-up that comes while the process ends would be a crash. The handler for SIGTERM makes this one seen at
        # once.
        signal.signal(signal.SIGUSR1, woken)
        for _ in self.asked:
            stop()


def prepare(order: Order) -> PreparedChild:
    """Take the first steps of a child: from now on a request to end is noted."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begun = child_startup.decode(order.argument)
    return PreparedChild(begun=begun, writer=WriterLink(begun.writer), asked=asked)


def _as_it_is(order: Order, prepared: PreparedChild) -> PreparedChild:
    del order
    return prepared


FIRST = First(claim=prepare, prepare=_as_it_is)
"""Of a kind of child that claims nothing. `context.first` is then a `PreparedChild`."""


def id_of(key: str) -> int:
    """The id of the row that a key is about: 17 of `note:17`."""
    return int(key.partition(":")[2])


def run(
    context: ChildContext,
    prepared: PreparedChild,
    *,
    model: SettingsModel,
    open_store: Callable[[Path], Store],
    name_of: Callable[[Tx, int], str],
    work: Callable[[RunningChild], object],
) -> int:
    """Do the work of a child; returns its exit status. A failure is logged, and never raised.

    `name_of` is the name of its row, for the log; it raises Problem(not_found) when there is no such row.
    """
    key = context.key
    settings: Settings | None = None
    try:
        settings = prepared.begun.in_force(model).settings
        if prepared.refused is not None:
            raise prepared.refused  # noqa: TRY301 - logged and turned into a status like what is raised below
        store = open_store(Path(settings.store.path))
        try:
            with store.read() as tx:
                name = name_of(tx, id_of(key))
            _log_to(settings, key, name)
            child_output.capture(path_of(Path(settings.log.directory), key))
            work(
                RunningChild(
                    id=id_of(key), settings=settings, store=store, writer=prepared.writer, asked=prepared.asked
                )
            )
            return ExitStatus.DONE
        finally:
            store.close()
    except Problem as problem:
        _log_early(settings, key)
        log.get().log(_LEVEL.get(problem.code, 30), str(problem))
        return _STATUS.get(problem.code, ExitStatus.CRASHED)
    except Exception as error:
        _log_early(settings, key)
        log.crash(error)
        return ExitStatus.CRASHED
    finally:
        prepared.writer.close()
        child_output.close()
        log.close()


def _log_to(settings: Settings, key: str, name: str | None = None) -> None:
    kind = key.partition(":")[0]
    log.configure(
        f"{kind}:{name}" if name else key,
        level=settings.log.level,
        directory=Path(settings.log.directory),
        max_bytes=settings.log.max_bytes,
        subject=key,
        name=name,
    )


def _log_early(settings: Settings | None, key: str) -> None:
    """Configure the log for an error that occurred before the name was known."""
    if settings is not None and not log.is_configured():
        _log_to(settings, key)
