"""How root replaces itself in place: the same process, executed anew from what is installed now."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys

from ftl2_enterprise.supervisor.root import config
from ftl2_enterprise.supervisor.root.child_table import Child
from ftl2_enterprise.supervisor.root.children import SAFE_POINT
from ftl2_enterprise.supervisor.root.config import CHECK, CONTROL, FORKSERVER, WRITER
from ftl2_enterprise.supervisor.root.forkserver_link import variables
from ftl2_enterprise.supervisor.root.stderr import NOTICE, WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ftl2_enterprise.supervisor.root.main import Root

STATE_OPTION, CHECK_OPTION = "--state=", "--check"
BLOCKED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
"""Kept back while nobody is there to catch them; they come when they are let through again."""


class Upgrade:
    """First a trial in another process, then the real thing."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._wanted = False

    def begin(self) -> None:
        """Try whether what is installed can be loaded."""
        root = self._root
        if root.ending.is_begun or root.table.get(CHECK) is not None:
            return
        os.set_inheritable(root.config_fd, True)  # noqa: FBT003
        argv = [sys.executable, *_own_arguments(), CHECK_OPTION]
        try:
            pid = os.posix_spawn(argv[0], argv, variables(), setsid=True)
        except OSError as error:
            say(f"cannot upgrade: cannot execute {argv[0]}: {error.strerror}", WARNING)
            return
        finally:
            os.set_inheritable(root.config_fd, False)  # noqa: FBT003
        child = Child(CHECK, pid, generation=root.generation)
        root.table.add(child)
        root.loop.after(root.config.import_timeout, lambda: root.children.kill(child, "late"))

    def checked(self, child: Child) -> None:
        """The trial has ended."""
        if child.status != 0:
            say("cannot upgrade: what is installed now cannot be loaded; the service goes on as it was", WARNING)
            self._root.systemd.status("cannot upgrade: what is installed now cannot be loaded")
        elif not self._root.ending.is_begun:
            self._wanted = True
            self.go_on()

    def go_on(self) -> None:
        """Execute, unless a fork is under way or something is being cleared away."""
        root = self._root
        if self._wanted and root.forker.in_flight is None and not root.children.cleaning:
            self._wanted = False
            self._execute()

    def _execute(self) -> None:
        root = self._root
        say("executing anew what is installed now", NOTICE)
        kept = {
            "control": root.control_socket.fileno(), "writer": root.writer_socket.fileno(), "lock": root.lock,
            "heartbeats": root.slots.fd, "config": root.config_fd,
        }  # fmt: skip
        if root.control.channel is not None:
            kept["channel"] = root.control.channel.fileno()
        state = {
            "generation": root.generation + 1, "started_at": root.started_at, "was_ready": root.was_ready,
            "is_reloading": root.is_reloading, "activated": root.activated, "fds": kept,
            "identity": root.listening.identity,
            "children": root.table.to_state(),
            "unrecorded": list(root.control.unrecorded.values()),
            "starts": {name: record.starts for name, record in root.own.records.items()},
        }  # fmt: skip
        fd = config.store("state", state)
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        for number in root.loop.take_back(BLOCKED):
            # Only this program knows of it; so it comes again, and waits for the next one.
            os.kill(os.getpid(), number)
        for number in (*kept.values(), fd):
            os.set_inheritable(number, True)  # noqa: FBT003
        try:
            os.execve(sys.executable, [sys.executable, *_own_arguments(), f"{STATE_OPTION}{fd}"], root.variables)
        except OSError as error:
            for number in kept.values():
                os.set_inheritable(number, False)  # noqa: FBT003
            os.close(fd)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
            say(f"cannot upgrade: cannot execute {sys.executable}: {error.strerror}", WARNING)


def _own_arguments() -> list[str]:
    options = (STATE_OPTION, CHECK_OPTION)
    return [word for word in sys.orig_argv[1:] if not word.startswith(options)]


def restore(root: Root, state: dict[str, Any]) -> None:
    """Take over from the program that was executed before."""
    root.table.restore(state["children"])
    root.generation = state["generation"]
    root.started_at = state["started_at"]
    root.was_ready = state["was_ready"]
    # An older program did not keep it.
    root.is_reloading = state.get("is_reloading", False)
    root.control.restore(state.get("unrecorded", []))
    if identity := state.get("identity"):
        root.listening.identity = (identity[0], identity[1])
    else:
        root.listening.note()
    for name, count in state["starts"].items():
        root.own.records[name].starts = count
    forkserver = root.table.get(FORKSERVER)
    if forkserver is not None:
        # It has nothing to finish, and holds nothing.
        root.children.stop(forkserver, "kill", 0.0)
    for child in root.table:
        if child.stopping and not child.is_own:
            # Its time began anew; nobody remembers how much was left.
            child.asked = 1
            root.children.stop(child, SAFE_POINT, root.config.drain_timeout)


def take_over(root: Root) -> None:
    """The new forkserver is ready: the old control ends, the old writer stays until no old child needs it."""
    control = root.table.get(CONTROL)
    if control is not None and control.generation != root.generation:
        root.children.stop(control, SAFE_POINT, root.config.end_timeout)
    writer = root.table.get(WRITER)
    if writer is not None and writer.generation != root.generation:
        root.table.rename(writer, f"{WRITER}@{writer.generation}")
        root.new_writer_socket()
    let_old_writers_go(root)
    root.own.ensure()


def let_old_writers_go(root: Root) -> None:
    """End each writer that no child of its time or before is left to need."""
    for child in root.table:
        if child.key.startswith(f"{WRITER}@") and not child.stopping:
            needed = any(
                other.generation <= child.generation for other in root.table if not other.key.startswith(WRITER)
            )
            if not needed:
                root.children.stop(child, SAFE_POINT, root.config.end_timeout)


def inherited(fd: int) -> socket.socket:
    """A socket that came over the exec, closed over the next one again."""
    fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return socket.socket(fileno=fd)
