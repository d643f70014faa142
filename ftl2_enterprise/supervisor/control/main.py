"""The control process: verbs, managers, watches. It may be killed at any time: its state is committed."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.core.settings.restart import after_restart, until_restart
from ftl2_enterprise.protocol.service.facts import ServiceReloaded, ServiceReloadFailed
from ftl2_enterprise.protocol.service.verbs import Reloaded
from ftl2_enterprise.supervisor.control import event_logger
from ftl2_enterprise.supervisor.control.access import Guard
from ftl2_enterprise.supervisor.control.children import Children
from ftl2_enterprise.supervisor.control.commit_watch import Commits
from ftl2_enterprise.supervisor.control.database_watch import DatabaseWatch
from ftl2_enterprise.supervisor.control.dispatch import Dispatch
from ftl2_enterprise.supervisor.control.event_tail import EventTail
from ftl2_enterprise.supervisor.control.executor import RequestExecutor
from ftl2_enterprise.supervisor.control.freezes import READS, Freezes
from ftl2_enterprise.supervisor.control.links import follow
from ftl2_enterprise.supervisor.control.reconciler import Reconciler
from ftl2_enterprise.supervisor.control.retention import remove_old
from ftl2_enterprise.supervisor.control.root_link import RootLink
from ftl2_enterprise.supervisor.control.root_messages import (
    ChildEnded,
    ChildStarted,
    ControlReady,
    DrainRequested,
    ListenerGiven,
    ProcessesChanged,
    Reloading,
    ReloadRequested,
    RootHello,
    RootProblem,
)
from ftl2_enterprise.supervisor.control.server import ControlServer
from ftl2_enterprise.supervisor.control.system import SYSTEM, noted, values_of
from ftl2_enterprise.supervisor.control.watches import WATCHES
from ftl2_enterprise.supervisor.root.sockets import BOUND_AS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from ftl2_enterprise.core.clock import Clock, Instant
    from ftl2_enterprise.core.settings.model import Loaded, Settings
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.driver import CommitCounter
    from ftl2_enterprise.supervisor.control.dispatch import Handlers
    from ftl2_enterprise.supervisor.control.links import Link
    from ftl2_enterprise.supervisor.control.manager import Manager
    from ftl2_enterprise.supervisor.control.reconciler import Writing
    from ftl2_enterprise.supervisor.control.retention import Retention
    from ftl2_enterprise.supervisor.control.root_messages import FromRoot, ProcessLine, StartChild
    from ftl2_enterprise.supervisor.logs.event_log_files import FactLog
    from ftl2_enterprise.supervisor.subjects import Subjects
    from ftl2_enterprise.supervisor.writer.frames import Committed

SILENT = 5.0
"""Seconds without an answer of the writer after which that is a problem."""
STALE = 90.0
"""Seconds without a pass of the managers after which that is a problem."""
SETTINGS, ROOT = "settings", "root"
"""The names under which problems with the settings, and those that root found, are kept."""
LOST = 3
"""Exit status when root is gone."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What control consists of; `wiring` assembles it."""

    listener: socket.socket
    """The listening socket, which belongs to root."""
    root: socket.socket
    """Control's end of the channel."""
    store: Store
    """For reading."""
    writer: Writing
    handlers: Handlers
    """The handlers of the verbs of capabilities."""
    managers: Sequence[Manager]
    subjects: Subjects
    """What facts and logs are about."""
    order: Callable[[str, Settings], StartChild]
    """The request for the process of a key."""
    loaded: Loaded
    """The settings in the files now."""
    load: Callable[[], Loaded]
    """Loads them again. Raises Problem."""
    version: str
    """Of the program."""
    in_force: Loaded | None = None
    """The settings that the service was started with, if they may differ."""
    unread: str | None = None
    """Why the files cannot be loaded now, in a sentence."""
    facts: FactLog | None = None
    """The log of facts."""
    retention: Sequence[Retention] = ()
    """Rows that are kept for a limited time."""
    links: Sequence[Link] = ()
    """Where facts of one capability lead to units of work of another."""
    policy: Callable[[], tuple[str, str]] = lambda: ("", "")
    """What identifies the policy that is in force, and why it cannot be used, in a sentence; empty if it can."""
    warnings: Callable[[], Sequence[str]] = tuple
    """What a person should know although the service works, in sentences."""
    applied: Callable[[Settings], None] | None = None
    """Called with the settings after each reload."""
    clock: Clock = field(default_factory=SystemClock)


class Control:
    """Connects the parts of control. Handlers of the service's own verbs see it as a `ServiceState`."""

    def __init__(self, parts: Parts) -> None:
        """Raises Problem(invalid) when the verbs and their handlers differ."""
        self._parts: Parts = parts
        in_force = parts.in_force or parts.loaded
        self.loaded: Loaded = until_restart(parts.loaded, in_force)
        self.after_restart: Mapping[str, Any] = after_restart(parts.loaded, in_force)
        self.guard: Guard = Guard(parts.loaded.settings.access)
        self.store: Store = parts.store
        self.writer: Writing = parts.writer
        self.subjects: Subjects = parts.subjects
        self.version: str = parts.version
        self.data_version: CommitCounter = parts.store.commit_counter()
        self.commits: Commits = Commits(self.data_version)
        self.tail: EventTail = EventTail(parts.store, self.commits)
        self.children: Children = Children()
        self.processes: Sequence[ProcessLine] = ()
        self.started_at: Instant = parts.clock.now()
        self.draining: bool = False
        self.reconciler: Reconciler = Reconciler(
            store=parts.store,
            writer=parts.writer,
            children=self.children,
            managers=parts.managers,
            # Its own counter, because one reports changes since its last read.
            version=parts.store.commit_counter(),
            clock=parts.clock,
            order=lambda key: parts.order(key, self.settings),
            settings=lambda: self.settings.supervisor,
        )
        self.database: DatabaseWatch = DatabaseWatch(parts.store, self.reconciler)
        self.freezes: Freezes = Freezes(
            parts.store,
            parts.writer,
            parts.subjects,
            parts.clock,
            splay=lambda: self.settings.supervisor.splay,
            changed=self._froze,
            unusable=lambda: parts.policy()[1],
        )
        dispatch = Dispatch(with_own(parts.handlers, self.freezes))
        self.server: ControlServer = ControlServer(
            RequestExecutor(self, dispatch),
            version=parts.version,
            most=lambda: self.settings.supervisor.max_connections,
        )
        self.root: RootLink
        self._greeted: asyncio.Event = asyncio.Event()
        self._address: str = ""
        self._over: asyncio.Future[int]
        if parts.unread is not None:
            self.reconciler.problems[SETTINGS] = parts.unread

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return self.loaded.settings

    # --- its life --------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until root ends this process; returns the exit status."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        loop.add_signal_handler(signal.SIGTERM, self._end, 0)
        # Ctrl-C in the terminal of a service in the foreground is handled by root.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        self.root = RootLink(self._parts.root, self._received, lambda: self._end(LOST), self._listen)
        self.writer.start()
        unsubscribe = self.writer.subscribe(self.committed)
        work = [asyncio.ensure_future(one) for one in (self._work(), self.freezes.run(), self.database.run())]
        if self._parts.facts is not None:
            work.append(asyncio.ensure_future(event_logger.log_facts(self._parts.facts, self.commits)))
        work += [asyncio.ensure_future(remove_old(one, self.writer)) for one in self._parts.retention]
        work += [asyncio.ensure_future(self._follow(link)) for link in self._parts.links]
        try:
            await asyncio.wait([self._over, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    # These tasks never return. An exception of one ends this process, and root starts another one.
                    task.result()
            return self._over.result()
        finally:
            await self.server.close(
                unavailable(
                    "cannot continue: the service restarts or stops",
                    "check whether the request was executed, then try again",
                )
            )
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            unsubscribe()
            await self.writer.close()
            self.commits.close()
            self.data_version.close()
            self.reconciler.close()
            self.root.close()

    async def _work(self) -> None:
        # Clients wait in the queue of the socket until the table of children is complete.
        await self._greeted.wait()
        await self.server.start(self._parts.listener)
        await self.reconciler.run(self.root)

    async def _follow(self, link: Link) -> None:
        name = f"link {link.name}"

        def report(problem: str) -> None:
            if problem:
                self.reconciler.problems[name] = problem
            else:
                self.reconciler.problems.pop(name, None)
            self.reconciler.report_status()

        await follow(link, self.store, self.writer, self.commits, report)

    def _froze(self) -> None:
        self.reconciler.frozen = len(self.freezes.files.in_force())
        self.reconciler.report_status()

    def _listen(self, listener: socket.socket) -> None:
        self.server.run(self.server.move(listener))

    def _end(self, status: int) -> None:
        if not self._over.done():
            self._over.set_result(status)

    def committed(self, notice: Committed) -> None:
        """The writer has committed facts."""
        self.commits.notify()
        self.reconciler.committed(wakes=notice.wakes)

    # --- messages of root ------------------------------------------------------------------------------------------

    def _received(self, message: FromRoot) -> None:
        now = self._parts.clock.now()
        match message:
            case RootHello():
                self._greet(message)
            case ChildStarted():
                self.children.started(message)
                self.reconciler.started(message.key)
                # A start that was requested changes nothing: 200 of them would otherwise be 200 passes.
                return
            case ChildEnded():
                if message.text:
                    _log.warning("%s was not started: %s", message.key, message.text)
                self.reconciler.ended(*self.children.ended(message, now), recorded=self.root.recorded)
                # Nothing can be started before the end is recorded, and a pass would delay the next message.
                return
            case ProcessesChanged():
                self.processes = message.processes
            case RootProblem():
                self._note(message.text)
            case DrainRequested():
                self._drain(draining=True)
            case ReloadRequested():
                self._reload_for_root()
            case ListenerGiven():
                pass  # the socket came with it, and the link has passed it on
        self.reconciler.wake()

    def _greet(self, hello: RootHello) -> None:
        self.children.load(hello.table)
        self.started_at = hello.started_at
        self.reconciler.booted = hello.booted
        self.reconciler.alive_each = hello.alive_each
        self.processes = hello.processes or self.processes
        self._note(hello.problem)
        self._drain(draining=hello.draining)
        if not hello.more:
            self._greeted.set()

    def _note(self, problem: str) -> None:
        if problem:
            self.reconciler.problems[ROOT] = problem
        else:
            self.reconciler.problems.pop(ROOT, None)
        self.reconciler.report_status()

    def _drain(self, *, draining: bool) -> None:
        self.draining = self.reconciler.draining = draining
        self.children.drain(draining=draining)
        self.reconciler.report_status()

    def _reload_for_root(self) -> None:
        try:
            reloaded = self.reload(announced=True)
        except Problem as problem:
            # The sender of a signal is not known.
            self.server.run(noted(self, None, ServiceReloadFailed(problem=str(problem))))
            return
        _log.info("settings were loaded again: %s", ", ".join(reloaded.changed) or "no changes")
        self.server.run(noted(self, None, ServiceReloaded(changed=reloaded.changed)))

    # --- settings --------------------------------------------------------------------------------------------------

    def reload(self, *, announced: bool = False) -> Reloaded:
        """Load the settings again, and apply them. Raises Problem; then the previous ones stay in effect."""
        if not announced:
            self.root.send(Reloading())
        policy = self._parts.policy()
        try:
            read = self._parts.load()
            guard = Guard(read.settings.access)
        except Problem as problem:
            self.reconciler.problems[SETTINGS] = f"the settings could not be loaded again: {problem}"
            _log.warning("%s", self.reconciler.problems[SETTINGS])
            raise
        else:
            self.reconciler.problems.pop(SETTINGS, None)
        finally:
            # In both cases the service continues.
            self.reconciler.report_status()
            self.root.send(ControlReady())
        before, after = values_of(self.settings), values_of(read.settings)
        changed = sorted(key for key in after if before.get(key) != after[key])
        self.after_restart = after_restart(read, self.loaded)
        self.loaded, self.guard = until_restart(read, self.loaded), guard
        event_logger.apply(self._parts.facts, self.settings.log)
        if self._parts.applied is not None:
            self._parts.applied(self.settings)
        has_changed = self._parts.policy() != policy
        if has_changed:
            # The one before may have been unusable, which held everything.
            self.server.run(self.freezes.policy_changed())
        self.reconciler.wake()
        return Reloaded(changed=changed, need_restart=list(self.after_restart), policy_changed=has_changed)

    @property
    def address(self) -> str:
        """The path of the control socket. The settings may name another one, which takes effect with a restart."""
        listener = self.server.listener
        # It is closed while this process ends, and requests that it has accepted are still answered.
        if listener is not None and listener.fileno() >= 0:
            # The kernel returns the name under which it was bound.
            self._address = str(listener.getsockname()).removesuffix(BOUND_AS)
        return self._address

    # --- health ----------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What is wrong with the service, in sentences."""
        found = list(self.reconciler.problems.values())
        _, unusable = self._parts.policy()
        found += [one for one in (self.freezes.problem, unusable) if one and not any(one in known for known in found)]
        last_pass_at = self.reconciler.last_pass_at
        if last_pass_at is None:
            found.append("the managers have not completed a pass yet")
        elif self._parts.clock.now() - last_pass_at > STALE * 1_000_000:
            found.append(f"the managers have not completed a pass for more than {STALE:g} s")
        if self.reconciler.silence > SILENT:
            found.append(f"the writer has not answered for {self.reconciler.silence:.0f} s")
        found.extend(f"the process {one.name} is not running" for one in self.processes if one.pid is None)
        return found

    def warnings(self) -> list[str]:
        """What a person should know although the service works, in sentences."""
        return list(self._parts.warnings())


def main(parts: Parts) -> int:
    """Run control; returns the exit status. Raises Problem(invalid) when the verbs and their handlers differ."""
    return asyncio.run(Control(parts).run())


def with_own(handlers: Handlers, freezes: Freezes) -> Handlers:
    """Add the handlers of the service's own verbs."""
    return replace(
        handlers,
        reads={**handlers.reads, **{verb: MethodType(handler, freezes) for verb, handler in READS.items()}},
        system={**handlers.system, **SYSTEM},
        watches={**handlers.watches, **WATCHES},
    )
