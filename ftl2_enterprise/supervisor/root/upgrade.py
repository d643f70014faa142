"""How root replaces itself in place: the same process executes the installed program, and keeps its children.

First a *check*: a separate process loads root and the forkserver from the installed files. If it fails, nothing
changes. Then root executes itself, with its state in a memfd. The new program takes over the children, the sockets
and the channel to control, and starts a new forkserver. When that is ready, a new writer and a new control are
forked, and the old ones end.

Two versions of the program meet: the new root reads the state of the old one, and talks to the old control until the
new one is forked. So the check also compares the versions of their messages (`messages.VERSION`), and refuses the
upgrade if they differ. A restart of the service has no such requirement.
"""

from __future__ import annotations

import os
import signal
import sys

from ftl2_enterprise.supervisor.root import config
from ftl2_enterprise.supervisor.root.child_stopper import SAFE_POINT
from ftl2_enterprise.supervisor.root.child_table import ChildRecord
from ftl2_enterprise.supervisor.root.config import CHECK, FORKSERVER, WRITER
from ftl2_enterprise.supervisor.root.forkserver_link import child_environment
from ftl2_enterprise.supervisor.root.messages import OTHER_VERSION, VERSION
from ftl2_enterprise.supervisor.stderr import NOTICE, WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from ftl2_enterprise.supervisor.root.child_stopper import ChildStopper
    from ftl2_enterprise.supervisor.root.child_table import ChildTable
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop

    class UpgradeOwner(Protocol):
        """What the upgrade has to know."""

        generation: int
        """How often root has executed itself."""

        def is_ending(self) -> bool:
            """Whether the service stops."""
            ...

        def may_execute(self) -> bool:
            """Whether no fork is in progress, and nothing of an ended child is left."""
            ...

        def execute(self) -> None:
            """Execute the installed program, which does not return if it succeeds."""
            ...

        def upgrade_refused(self, reason: str) -> None:
            """The installed program cannot be used; show that in the status."""
            ...


STATE_OPTION, CHECK_OPTION = "--state=", "--check"
CHECK_ARGUMENT = f"{CHECK_OPTION}={VERSION}"
HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
"""Signals that are blocked while no program can catch them; they are delivered when they are unblocked again."""


class UpgradeInPlace:
    """The check, and the wait for a moment at which root can execute itself."""

    def __init__(
        self, loop: EventLoop, table: ChildTable, stopper: ChildStopper, owner: UpgradeOwner, *, config_fd: int,
        check_within: float,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._table = table
        self._stopper = stopper
        self._owner = owner
        self._config_fd = config_fd
        self._check_within = check_within
        self._is_due = False

    def begin(self) -> None:
        """Check in another process whether the installed program can be loaded."""
        if self._owner.is_ending() or self._table.get(CHECK) is not None:
            return
        os.set_inheritable(self._config_fd, True)  # noqa: FBT003
        argv = [sys.executable, *_own_arguments(), CHECK_ARGUMENT]
        try:
            pid = os.posix_spawn(argv[0], argv, child_environment(), setsid=True)
        except OSError as error:
            write_line(f"cannot upgrade: cannot execute {argv[0]}: {error.strerror}", WARNING)
            return
        finally:
            os.set_inheritable(self._config_fd, False)  # noqa: FBT003
        child = ChildRecord(CHECK, pid, generation=self._owner.generation)
        self._table.add(child)
        self._loop.after(self._check_within, lambda: self._stopper.kill(child, "late"))

    def checked(self, child: ChildRecord) -> None:
        """The check has ended."""
        if child.status is not None and os.waitstatus_to_exitcode(child.status) == OTHER_VERSION:
            self._owner.upgrade_refused(
                "cannot upgrade in place: the installed version requires a restart of the service"
            )
        elif child.status != 0:
            self._owner.upgrade_refused("cannot upgrade: the installed program cannot be loaded")
        elif not self._owner.is_ending():
            self._is_due = True
            self.advance()

    def advance(self) -> None:
        """Execute the program if that is due and possible now."""
        if self._is_due and self._owner.may_execute():
            self._is_due = False
            self._owner.execute()


def execute(loop: EventLoop, state: Mapping[str, Any], kept: Sequence[int], environment: Mapping[str, str]) -> None:
    """Execute the installed program with the state and these descriptors. Returns only if that fails.

    Signals that arrive until the new program can catch them stay pending, so none is lost.
    """
    write_line("executing the installed program in place", NOTICE)
    fd = config.store("state", state)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    for number in loop.take_back(HANDLED):
        # Python has caught it, so only this program knows of it. Sent again, it stays pending for the next one.
        os.kill(os.getpid(), number)
    for number in (*kept, fd):
        os.set_inheritable(number, True)  # noqa: FBT003
    try:
        os.execve(sys.executable, [sys.executable, *_own_arguments(), f"{STATE_OPTION}{fd}"], dict(environment))
    except OSError as error:
        for number in kept:
            os.set_inheritable(number, False)  # noqa: FBT003
        os.close(fd)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        write_line(f"cannot upgrade: cannot execute {sys.executable}: {error.strerror}", WARNING)


def _own_arguments() -> list[str]:
    options = (STATE_OPTION, CHECK_OPTION)
    return [word for word in sys.orig_argv[1:] if not word.startswith(options)]


def state_of(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The state that the previous program left, by the command line; None at the first start."""
    for word in arguments:
        if word.startswith(STATE_OPTION):
            fd = int(word.removeprefix(STATE_OPTION))
            state = config.load(fd)
            os.close(fd)
            return state
    return None


def resume_stops(table: ChildTable, stopper: ChildStopper, drain_timeout: float) -> None:
    """Stop the old forkserver, and continue to stop the children that the previous program had asked to end."""
    forkserver = table.get(FORKSERVER)
    if forkserver is not None:
        # It has nothing to finish, and holds nothing.
        stopper.stop(forkserver, "kill", 0.0)
    for child in table:
        if child.stopping and not child.is_core:
            # The time that was left is not kept, so the limit begins again.
            child.asked = 1
            stopper.stop(child, SAFE_POINT, drain_timeout)


def stop_unneeded_writers(table: ChildTable, stopper: ChildStopper, end_timeout: float) -> None:
    """Stop every old writer that no child of its generation, or of an older one, needs any more."""
    for child in table:
        if child.key.startswith(f"{WRITER}@") and not child.stopping:
            is_needed = any(
                other.generation <= child.generation for other in table if not other.key.startswith(WRITER)
            )
            if not is_needed:
                stopper.stop(child, SAFE_POINT, end_timeout)
