"""Root of the process tree: owns the sockets, starts and watches every other process, cannot grow or block."""

from __future__ import annotations

import os
import signal
import sys
import time

from ftl2_enterprise.supervisor import cgroups, heartbeat, prctl
from ftl2_enterprise.supervisor.root import config, notify, process_tree, sockets, upgrade
from ftl2_enterprise.supervisor.root.child_table import Table
from ftl2_enterprise.supervisor.root.children import Children
from ftl2_enterprise.supervisor.root.config import CHECK, CONTROL, Config
from ftl2_enterprise.supervisor.root.control_link import Control
from ftl2_enterprise.supervisor.root.core_processes import Own
from ftl2_enterprise.supervisor.root.event_loop import Loop
from ftl2_enterprise.supervisor.root.forkserver_link import Forker
from ftl2_enterprise.supervisor.root.shutdown import Ending
from ftl2_enterprise.supervisor.root.socket_watch import Listening
from ftl2_enterprise.supervisor.root.stderr import ERROR, NOTICE, WARNING, say
from ftl2_enterprise.supervisor.root.upgrade import CHECK_OPTION, STATE_OPTION, Upgrade

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from ftl2_enterprise.supervisor.root.child_table import Child

NOT_MADE, TAKEN = 73, 75
"""Exit statuses: the sockets cannot be made (EX_CANTCREAT); another service has them (EX_TEMPFAIL)."""
LAST_SWEEP = 2.0


class Root:
    """All that root knows, and the parts that act on it."""

    def __init__(self, config: Config, config_fd: int) -> None:
        self.config = config
        self.config_fd = config_fd
        self.variables = dict(os.environ)
        self.generation = 0
        self.started_at = time.time_ns() // 1000
        self.was_ready = False
        self.activated = False
        """The control socket is the service manager's, who gives it to the next service too."""
        self.is_reloading = False
        self.cgroup: str | None = None
        self.control_socket: socket.socket
        self.writer_socket: socket.socket
        self.lock: int
        self.slots: heartbeat.Slots
        self.loop = Loop()
        self.table = Table()
        self.systemd = notify.Manager()
        self.children = Children(self)
        self.forker = Forker(self)
        self.control = Control(self)
        self.listening = Listening(self)
        self.own = Own(self)
        self.ending = Ending(self)
        self.upgrade = Upgrade(self)

    # --- beginning -----------------------------------------------------------------------------------------------

    def catch_signals(self) -> None:
        """From here on no signal ends this process."""
        self.loop.on_signal(signal.SIGCHLD, self.children.reap)
        self.loop.on_signal(signal.SIGTERM, lambda: self.ending.begin(now=False))
        self.loop.on_signal(signal.SIGINT, self._interrupted)
        self.loop.on_signal(signal.SIGQUIT, lambda: self.ending.begin(now=True))
        self.loop.on_signal(signal.SIGHUP, self._asked_to_reload)
        self.loop.on_signal(signal.SIGUSR1, lambda: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.BLOCKED)

    def make(self) -> None:
        """Make everything for the first time. Raises sockets.Taken and NotMade."""
        given = notify.given_descriptors()
        self.variables = dict(os.environ)
        config = self.config
        self.lock = sockets.lock(config.writer_socket)
        taken = sockets.take(given, CONTROL, config.control_socket)
        if given and taken is None:
            say(f"none of the sockets that were passed is {config.control_socket}", WARNING)
        self.activated = taken is not None and CONTROL not in given.values()
        self.control_socket = taken or sockets.listen(config.control_socket, config.control_mode)
        self.listening.note()
        self.writer_socket = sockets.listen(config.writer_socket, 0o600)
        self.slots = heartbeat.create()
        if not self.activated:
            self.systemd.keep(CONTROL, [self.control_socket.fileno()])

    def make_again(self, state: dict[str, Any]) -> None:
        """Take everything over from the program that was executed before."""
        fds: dict[str, int] = state["fds"]
        self.activated = state["activated"]
        self.control_socket = upgrade.inherited(fds["control"])
        self.writer_socket = upgrade.inherited(fds["writer"])
        self.lock = fds["lock"]
        os.set_inheritable(self.lock, False)  # noqa: FBT003
        os.set_inheritable(fds["heartbeats"], False)  # noqa: FBT003
        self.slots = heartbeat.Slots(fds["heartbeats"])
        upgrade.restore(self, state)
        if "channel" in fds:
            self.control.attach(upgrade.inherited(fds["channel"]))

    def new_writer_socket(self) -> None:
        """The new writer listens under the same name; the old one goes on with those that it has."""
        self.writer_socket.close()
        self.writer_socket = sockets.listen(self.config.writer_socket, 0o600)

    def run(self) -> int:
        """Until the end; returns the exit status."""
        self.cgroup = cgroups.find_delegated() if self.config.cgroup is None else self.config.cgroup or None
        self.children.look_for_hung()
        self.listening.look()
        self.children.reap()
        self.own.ensure()
        while not self.ending.is_done:
            self.loop.turn()
        self._tidy()
        return self.ending.status

    # --- what the parts tell -------------------------------------------------------------------------------------

    def forkserver_is_ready(self) -> None:
        """Children can be forked."""
        upgrade.take_over(self)

    def control_is_ready(self) -> None:
        """Clients are served, with the settings that are in force now."""
        self.own.records[CONTROL].is_ready = True
        if self.ending.is_begun:
            return
        if not self.was_ready or self.is_reloading:
            self.was_ready, self.is_reloading = True, False
            self.systemd.say("READY=1")

    def reloading(self) -> None:
        """Settings are being read again."""
        if not self.ending.is_begun and not self.is_reloading:
            self.is_reloading = True
            self.systemd.reloading()

    def set_status(self, text: str) -> None:
        """What control wants to be shown."""
        if not self.ending.is_begun:
            self.systemd.status(text)

    def child_ended(self, child: Child) -> None:
        """Nothing is left of a child, and whom it concerns has been told."""
        if child.key == CHECK:
            self.upgrade.checked(child)
        upgrade.let_old_writers_go(self)
        self.ending.go_on()
        self.upgrade.go_on()

    # --- signals and the end ---------------------------------------------------------------------------------------

    def _interrupted(self) -> None:
        # Who presses Ctrl-C a second time means it.
        self.ending.begin(now=self.ending.is_begun, hurried_by="Ctrl-C once more")

    def _asked_to_reload(self) -> None:
        self.reloading()
        self.control.tell("reload")

    def _tidy(self) -> None:
        until = time.monotonic() + LAST_SWEEP
        while (left := self.children.leftovers()) and time.monotonic() < until:
            process_tree.kill(left)
            self.children.reap()
            time.sleep(0.002)
        # The service manager removes the directory when the service is not to come back; until then clients queue.
        if not self.activated and not self.systemd.keeps_descriptors and self.listening.is_there():
            sockets.remove(self.config.control_socket)
        sockets.remove(self.config.writer_socket)
        say("stopped", NOTICE)


def main(config_fd: int) -> int:
    """Be root; returns the exit status."""
    os.set_inheritable(config_fd, False)  # noqa: FBT003
    given = Config(config.load(config_fd))
    if CHECK_OPTION in sys.argv:
        os.execv(given.forkserver[0], [*given.forkserver, CHECK_OPTION])
    states = [word.removeprefix(STATE_OPTION) for word in sys.argv if word.startswith(STATE_OPTION)]
    prctl.adopt_orphans()
    root = Root(given, config_fd)
    root.catch_signals()
    try:
        if states:
            state = config.load(int(states[0]))
            os.close(int(states[0]))
            root.make_again(state)
        else:
            root.make()
    except (sockets.Taken, sockets.NotMade) as error:
        say(str(error), ERROR)
        return TAKEN if isinstance(error, sockets.Taken) else NOT_MADE
    return root.run()
