"""Connects the parts of root.

Each part gets the collaborators that it calls, and a protocol of what else it needs, which `Root` implements. No part
can reach another one through root.
"""

from __future__ import annotations

import os
import signal
import time

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import config, messages, resources, sockets, upgrade
from ftl2_enterprise.supervisor.root.child_stopper import SAFE_POINT, ChildStopper
from ftl2_enterprise.supervisor.root.child_table import ChildTable
from ftl2_enterprise.supervisor.root.config import CHECK, CONTROL, FORKSERVER, WRITER, Config
from ftl2_enterprise.supervisor.root.control_link import ALIVE_EACH, ControlLink
from ftl2_enterprise.supervisor.root.core_processes import CoreProcesses
from ftl2_enterprise.supervisor.root.forkserver_link import ForkRequest, ForkserverLink
from ftl2_enterprise.supervisor.root.heartbeat_watch import HeartbeatWatch
from ftl2_enterprise.supervisor.root.readiness import Readiness
from ftl2_enterprise.supervisor.root.reaper import Reaper
from ftl2_enterprise.supervisor.root.shutdown import ShutdownSequence
from ftl2_enterprise.supervisor.root.socket_watch import SocketWatch
from ftl2_enterprise.supervisor.root.upgrade import UpgradeInPlace
from ftl2_enterprise.supervisor.stderr import ERROR, NOTICE, WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from ftl2_enterprise.supervisor.root.child_table import ChildRecord
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop
    from ftl2_enterprise.supervisor.root.messages import Message
    from ftl2_enterprise.supervisor.root.notify import ServiceManager
    from ftl2_enterprise.supervisor.root.resources import Resources

LAST_SWEEP = 2.0
"""Seconds for the last leftovers to die."""
STOPPING = "the service is stopping"


class Root:
    """Implements what the parts need of each other (`ReaperOwner`, `ForkserverOwner`, `ControlOwner` and others)."""

    def __init__(
        self, config: Config, config_fd: int, loop: EventLoop, manager: ServiceManager, owned: Resources,
        state: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        """`state` is what the previous program in this process left (`_to_state`); None at the first start."""
        kept: dict[str, Any] = state or {}
        self._config = config
        self._config_fd = config_fd
        self._environment = dict(os.environ)
        self.generation: int = kept.get("generation", 0)
        self.cgroup: str | None = None
        self._started_at: int = kept.get("started_at", time.time_ns() // 1000)
        self._resources = owned
        self._readiness = Readiness(
            manager,
            self.is_ending,
            was_ready=kept.get("was_ready", False),
            is_reloading=kept.get("is_reloading", False),
        )
        self._loop = loop
        self._manager = manager
        self._table = ChildTable()
        self._table.restore(kept.get("children", []))
        self._stopper = ChildStopper(loop)
        self._reaper = Reaper(loop, self._table, self)
        self._heartbeats = HeartbeatWatch(
            loop, self._table, owned.slots, limit=config.hung_after, kill=self._stopper.kill
        )
        self._forkserver = ForkserverLink(loop, self._table, config, owned, self._stopper, self)
        self._control = ControlLink(loop, self, alive_within=config.alive_within, watchdog=manager.watchdog)
        self._control.restore(kept.get("unrecorded", []))
        identity = kept.get("identity")
        self._socket_watch = SocketWatch(
            loop, config, owned, manager, self, (identity[0], identity[1]) if identity else None
        )
        self._core = CoreProcesses(loop, self._table, config, self, kept.get("starts", {}))
        self._shutdown = ShutdownSequence(loop, self._table, config, self._stopper, manager, self)
        self._upgrade = UpgradeInPlace(
            loop, self._table, self._stopper, self, config_fd=config_fd, check_within=config.import_timeout
        )
        if state is not None:
            upgrade.resume_stops(self._table, self._stopper, config.drain_timeout)
            if "channel" in kept["fds"]:
                self._control.attach(resources.inherited_socket(kept["fds"]["channel"]))

    def run(self) -> int:
        """Serve until the end; returns the exit status."""
        self._loop.on_signal(signal.SIGCHLD, self._reaper.reap)
        self._loop.on_signal(signal.SIGTERM, lambda: self._shutdown.begin(now=False))
        self._loop.on_signal(signal.SIGINT, self._interrupted)
        self._loop.on_signal(signal.SIGQUIT, lambda: self._shutdown.begin(now=True))
        self._loop.on_signal(signal.SIGHUP, self._reload)
        self._loop.on_signal(signal.SIGUSR1, lambda: None)
        self.cgroup = cgroups.find_delegated() if self._config.cgroup is None else self._config.cgroup or None
        self._heartbeats.check()
        self._socket_watch.check()
        self._reaper.reap()
        self._core.ensure()
        while not self._shutdown.is_done:
            self._loop.turn()
        self._clean_up()
        return self._shutdown.status

    # --- signals -------------------------------------------------------------------------------------------------

    def _interrupted(self) -> None:
        # A second Ctrl-C is meant to expedite the first one.
        self._shutdown.begin(now=self._shutdown.is_begun, expedited_by="Ctrl-C once more")

    def _reload(self) -> None:
        self.control_reloads()
        self._control.send(messages.reload())

    # --- for the reaper ------------------------------------------------------------------------------------------

    def is_forking(self) -> bool:
        """Whether a child was requested whose pid is not known yet."""
        return self._forkserver.key_in_flight is not None

    def unknown_exited(self, pid: int, status: int) -> None:
        """Keep the status for the forkserver's answer, which may name this pid."""
        self._forkserver.exited_early(pid, status)

    def child_exited(self, child: ChildRecord) -> None:
        """Handle the end of the forkserver at once, as requests wait for it."""
        if child.key == FORKSERVER:
            self._forkserver.exited()

    def child_gone(self, child: ChildRecord, why: str) -> None:
        """Report the end to control or restart a core process, then continue what waited for the end."""
        if child.key == CONTROL:
            self._control.detach()
        if child.is_core:
            self._core.ended(child, why, was_expected=child.stopping or child.generation != self.generation)
        else:
            self._control.report_end(messages.ended(child, why))
        if child.key == CHECK:
            self._upgrade.checked(child)
        upgrade.stop_unneeded_writers(self._table, self._stopper, self._config.end_timeout)
        self._shutdown.advance()
        self._upgrade.advance()

    def all_cleaned(self) -> None:
        """Fork again."""
        self._forkserver.pump()

    # --- for the forkserver's link -------------------------------------------------------------------------------

    def is_needed(self, name: str) -> bool:
        """Whether a core process that ended is still restarted."""
        return self._shutdown.needs_core_processes

    def may_fork(self) -> bool:
        """Whether nothing of an ended child is left, which a new child could be mistaken for."""
        return not self._reaper.is_cleaning

    def forkserver_failed(self) -> None:
        """Try to execute it again, after a delay."""
        self._core.failed(FORKSERVER, 0.0)

    def forkserver_started(self, child: ChildRecord) -> None:
        """Count the start."""
        self._core.started(child)

    def forkserver_is_ready(self) -> None:
        """Replace control and writer if they are from before an upgrade. The old writer stays while it is needed."""
        self._core.ready(FORKSERVER)
        self._control.note_problem(FORKSERVER, "")
        control = self._table.get(CONTROL)
        if control is not None and control.generation != self.generation:
            self._stopper.stop(control, SAFE_POINT, self._config.end_timeout)
        writer = self._table.get(WRITER)
        if writer is not None and writer.generation != self.generation:
            self._table.rename(writer, f"{WRITER}@{writer.generation}")
            self._resources.replace_writer_socket(self._config.writer_socket)
        upgrade.stop_unneeded_writers(self._table, self._stopper, self._config.end_timeout)
        self._core.ensure()

    def forkserver_is_unusable(self, why: str) -> None:
        """Report why what is due waits; what runs continues."""
        write_line(why, WARNING)
        self._core.ready(FORKSERVER)
        self._control.note_problem(FORKSERVER, why)

    def child_forked(self, request: ForkRequest, child: ChildRecord, exit_status: int | None) -> None:
        """Report the child, greet a new control, and apply what was requested in the meantime."""
        if child.is_core:
            self._core.started(child)
        else:
            self._control.send(messages.started(child))
        channel = request.take_channel()
        if channel is not None:
            self._control.attach(channel)
            self._control.greet(self._header(), self._table.lines(self.generation))
        if request.stop is not None:
            self._stopper.stop(child, *request.stop)
        self._shutdown.stop_late_child(child)
        if exit_status is not None:
            self._reaper.exited(child, exit_status)

    def child_not_forked(self, key: str, why: str) -> None:
        """Report it to control, or try again to start a core process."""
        if key in config.CORE:
            self._core.failed(key, 0.0)
        else:
            self._control.report_end(messages.not_started(key, why))

    def fork_answered(self) -> None:
        """Continue the cleaning, a shutdown and an upgrade: each may have waited for this answer."""
        self._reaper.clean()
        self._shutdown.advance()
        self._upgrade.advance()

    # --- for control's link --------------------------------------------------------------------------------------

    def start_child(self, key: str, argument: str, limits: dict[str, object] | None, log: str | None) -> None:
        """Request a fork, or answer at once if there is a process or the service stops."""
        child = self._table.get(key)
        if self._shutdown.is_begun:
            self._control.report_end(messages.not_started(key, STOPPING))
        elif child is not None and child.status is None:
            self._control.send(messages.started(child))
        elif self._forkserver.find(key) is None:
            self._forkserver.request(ForkRequest(key, argument, limits=limits, log=log))

    def stop_child(self, key: str, urgency: str, within: float) -> None:
        """Stop the process; withdraw the request if it is not forked yet. Raises ValueError for a core process."""
        child = self._table.get(key)
        if child is not None:
            if child.is_core:
                raise ValueError("control may not stop this key")
            self._stopper.stop(child, urgency, within)
        elif self._forkserver.withdraw(key):
            self._control.report_end(messages.not_started(key, "it was asked to end before it was started"))
        elif (request := self._forkserver.find(key)) is not None:
            request.stop = (urgency, within)

    def wake_child(self, key: str) -> None:
        """Signal the process, if there is one."""
        child = self._table.get(key)
        if child is not None and not child.is_core:
            self._stopper.wake(child)

    def control_is_alive(self) -> None:
        """Keep the watchdog of the service manager alive."""
        self._readiness.alive()

    def control_is_ready(self) -> None:
        """Report to the service manager that the service is ready, or that the reload is over."""
        self._core.ready(CONTROL)
        self._readiness.ready()

    def control_reloads(self) -> None:
        """Report to the service manager that a reload begins."""
        self._readiness.reloading()

    def set_status(self, text: str) -> None:
        """Show the line, unless root shows how it stops."""
        self._readiness.status(text)

    def shut_down(self, *, now: bool) -> None:
        """Begin to stop."""
        self._shutdown.begin(now=now)

    def upgrade_in_place(self) -> None:
        """Begin with the check."""
        self._upgrade.begin()

    def control_hung_up(self) -> None:
        """Kill control unless it is ending."""
        child = self._table.get(CONTROL)
        if child is not None:
            self._stopper.expect_end(child)

    def kill_control(self) -> None:
        """Kill control, which is started again."""
        child = self._table.get(CONTROL)
        if child is not None:
            self._stopper.kill(child, "hung")

    def _header(self) -> Message:
        watchdog = self._manager.watchdog
        return {
            "started_at": self._started_at,
            "booted": not self._readiness.was_ready,
            "draining": self._shutdown.is_begun,
            "processes": self._processes(),
            "alive_each": None if watchdog is None else watchdog * ALIVE_EACH,
            "problem": self._control.problem,
        }

    def _processes(self) -> list[Message]:
        root: Message = {"name": "root", "pid": os.getpid(), "since": self._started_at, "restarts": 0}
        return [root, *self._core.lines()]

    # --- for the core processes ----------------------------------------------------------------------------------

    def start_core_process(self, name: str) -> None:
        """Execute the forkserver, or request a fork from it."""
        if name == FORKSERVER:
            self._forkserver.start()
        else:
            argument, log = self._config.arguments.get(name, ""), self._config.logs.get(name)
            self._forkserver.request(ForkRequest(name, argument, log=log))

    def core_processes_changed(self) -> None:
        """Report their pids and restarts to control."""
        self._control.send(messages.processes(self._processes()))

    def forkserver_refused(self) -> None:
        """Let what is due wait."""
        self._forkserver.refused()

    def give_up(self, sentence: str, status: int) -> None:
        """Stop the service now, because one of its processes cannot work."""
        write_line(sentence, ERROR)
        self._manager.status(sentence)
        self._shutdown.begin(now=True, status=status)

    # --- for the socket's watch ----------------------------------------------------------------------------------

    def has_control(self) -> bool:
        """Whether there is a process that serves clients."""
        return self._control.is_connected

    def give_listener(self, listener: socket.socket) -> bool:
        """Pass the socket to control; False when the message cannot be sent now."""
        return self._control.give_listener(listener)

    def socket_problem_changed(self) -> None:
        """Report it to control, which shows it."""
        self._control.note_problem("socket", self._socket_watch.problem)

    # --- for shutdown and upgrade --------------------------------------------------------------------------------

    @property
    def key_in_flight(self) -> str | None:
        """The key of the child that is being forked."""
        return self._forkserver.key_in_flight

    @property
    def is_cleaning(self) -> bool:
        """Whether something of an ended child is left."""
        return self._reaper.is_cleaning

    def is_ending(self) -> bool:
        """Whether the service stops."""
        return self._shutdown.is_begun

    def shutdown_begins(self) -> None:
        """Notify control, and withdraw the requests that wait."""
        self._control.send(messages.drain())
        for key in self._forkserver.waiting():
            self._forkserver.withdraw(key)
            self._control.report_end(messages.not_started(key, STOPPING))

    def may_execute(self) -> bool:
        """Whether no fork is in progress, and nothing of an ended child is left."""
        return not self.is_forking() and not self._reaper.is_cleaning

    def upgrade_refused(self, reason: str) -> None:
        """Log the reason, and show it in the status."""
        write_line(f"{reason}; the service continues with the previous one", WARNING)
        self._manager.status(reason)

    def execute(self) -> None:
        """Execute the installed program with the state of this one. Returns only if that fails."""
        state = self._to_state()
        upgrade.execute(self._loop, state, list(state["fds"].values()), self._environment)

    def _to_state(self) -> dict[str, Any]:
        """What the next program in this process takes over; an older or newer version may read it."""
        fds = {**self._resources.descriptors(), "config": self._config_fd}
        channel = self._control.fileno()
        if channel is not None:
            fds["channel"] = channel
        return {
            "generation": self.generation + 1, "started_at": self._started_at, "was_ready": self._readiness.was_ready,
            "is_reloading": self._readiness.is_reloading, "activated": self._resources.activated, "fds": fds,
            "identity": self._socket_watch.identity, "children": self._table.to_state(),
            "unrecorded": self._control.unrecorded, "starts": self._core.starts,
        }  # fmt: skip

    def _clean_up(self) -> None:
        self._reaper.kill_leftovers(LAST_SWEEP)
        # If the service manager keeps the socket, clients wait in its queue until the next start. It removes the
        # directory when the service is not to be started again.
        if not self._resources.activated and not self._manager.keeps_descriptors and self._socket_watch.is_bound():
            sockets.remove(self._config.control_socket)
        sockets.remove(self._config.writer_socket)
        write_line("stopped", NOTICE)
