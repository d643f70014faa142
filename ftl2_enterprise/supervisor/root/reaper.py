"""Collects children that have ended, and kills the processes that they leave.

Only root calls waitpid(2) for its children, so a pid in the table never belongs to another process. The end of a
child is reported when nothing of it is left. Until then nothing else is forked: a child whose pid is not known yet
would be mistaken for a leftover.
"""

from __future__ import annotations

import os
import signal
import time

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import process_tree
from ftl2_enterprise.supervisor.stderr import NOTICE, WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.child_table import ChildRecord, ChildTable
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop

    class ReaperOwner(Protocol):
        """What the reaper reports, and what it has to know."""

        def is_forking(self) -> bool:
            """Whether a child was requested whose pid is not known yet."""
            ...

        def unknown_exited(self, pid: int, status: int) -> None:
            """A process ended that is not in the table; it may be the child that is being forked."""
            ...

        def child_exited(self, child: ChildRecord) -> None:
            """A child ended; what it left may still run."""
            ...

        def child_gone(self, child: ChildRecord, why: str) -> None:
            """Nothing of a child is left, and it is no longer in the table."""
            ...

        def all_cleaned(self) -> None:
            """No ended child is waiting to be cleaned up."""
            ...


SWEEP = 0.002
"""Seconds between two attempts to kill what is left."""
UNKILLABLE = 5.0
"""Seconds after SIGKILL at which a process that still lives is given up: it hangs in the kernel."""


class Reaper:
    """Reaps children, and cleans up after them."""

    def __init__(self, loop: EventLoop, table: ChildTable, owner: ReaperOwner) -> None:
        self._loop = loop
        self._table = table
        self._owner = owner
        self._cleaning: list[ChildRecord] = []
        self._clean_until = 0.0
        self._is_scheduled = False
        self._given_up: set[int] = set()
        self._kept: set[int] = set()

    @property
    def is_cleaning(self) -> bool:
        """Whether an ended child may have left processes."""
        return bool(self._cleaning)

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            child = self._table.of_pid(pid)
            if child is not None:
                self.exited(child, status)
            else:
                self._owner.unknown_exited(pid, status)
        self.clean()

    def exited(self, child: ChildRecord, status: int) -> None:
        """Record the end of a child, which stays in the table until nothing of it is left."""
        child.status = status
        child.ended = time.monotonic()
        if child.limit is not None:
            child.limit.cancel()
        self._table.reaped(child)
        if not self._cleaning:
            self._clean_until = child.ended + UNKILLABLE
        self._cleaning.append(child)
        self._owner.child_exited(child)

    def clean(self) -> None:
        """Kill what ended children have left, and report them when nothing is left."""
        # A child that is just being forked looks like a leftover until its pid is known.
        if not self._cleaning or self._owner.is_forking():
            return
        left = self.leftovers()
        if left and time.monotonic() < self._clean_until:
            # The parent of the spare of a dead forkserver may still have a child that is in the table.
            process_tree.kill(left, self._table.pids())
            if not self._is_scheduled:
                self._is_scheduled = True
                self._loop.after(SWEEP, self._sweep)
            return
        if left:
            write_line(f"cannot kill processes that {self._cleaning[0].key} left: {sorted(left)}", WARNING)
            self._given_up |= left
        ended, self._cleaning = self._cleaning, []
        for child in ended:
            self._finish(child)
        self._owner.all_cleaned()

    def leftovers(self) -> set[int]:
        """Children of root that are not in the table, except daemons that were left on purpose."""
        found = set(process_tree.children_of(os.getpid())) - self._table.pids()
        self._given_up &= found
        self._kept &= found
        left = found - self._given_up - self._kept
        for pid in sorted(left):
            if process_tree.is_left_on_purpose(pid):
                write_line(f"process {pid}, which was left on purpose, continues", NOTICE)
                self._kept.add(pid)
        return left - self._kept

    def kill_leftovers(self, within: float) -> None:
        """Kill leftovers until there are none, for at most that many seconds. Blocks: for the end of root."""
        until = time.monotonic() + within
        while (left := self.leftovers()) and time.monotonic() < until:
            process_tree.kill(left)
            self.reap()
            time.sleep(0.002)

    def _sweep(self) -> None:
        self._is_scheduled = False
        self.reap()

    def _finish(self, child: ChildRecord) -> None:
        why = end_reason(child)
        if child.cgroup is not None:
            cgroups.remove(child.cgroup)
        self._table.remove(child)
        self._owner.child_gone(child, why)


def end_reason(child: ChildRecord) -> str:
    """Why a reaped child ended, as a word of `core/end_reason.py`, which root does not load."""
    status = child.status or 0
    if not os.WIFSIGNALED(status):
        return "exited"
    number = os.WTERMSIG(status)
    if child.why is not None and number == signal.SIGKILL:
        return child.why
    if number == signal.SIGKILL and child.cgroup is not None and cgroups.ran_out_of_memory(child.cgroup):
        return "out_of_memory"
    return "exited" if child.asked and number == signal.SIGTERM else "killed"
