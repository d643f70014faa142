"""What root does with living and dead children: asks, kills, reaps, and clears away what they leave."""

from __future__ import annotations

import os
import signal
import time

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import process_tree
from ftl2_enterprise.supervisor.root.config import FORKSERVER
from ftl2_enterprise.supervisor.root.stderr import NOTICE, WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.root.child_table import Child
    from ftl2_enterprise.supervisor.root.main import Root

SAFE_POINT, NOW, KILL = "safe_point", "now", "kill"
SECOND_TERM = 0.1
"""Signals that come together are one; so the second follows the first by this."""
AGAIN = 1.0
GRACE = 1.0
SWEEP = 0.002
UNKILLABLE = 5.0
"""What still lives this long after SIGKILL hangs in the kernel; nothing waits for it any longer."""


class Children:
    """All that are in the table, and all that should not be there."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.cleaning: list[Child] = []
        self._clean_until = 0.0
        self._scheduled = False
        self._given_up: set[int] = set()
        self._kept: set[int] = set()
        self._looked = time.monotonic()

    # --- asking and killing ----------------------------------------------------------------------------------------

    def stop(self, child: Child, urgency: str, within: float) -> None:
        """Ask it to end, and kill it when it has not ended in time."""
        if child.status is not None:
            return
        child.stopping = True
        if urgency == KILL:
            self.kill(child, "exited")
            return
        if child.asked == 0:
            self._ask(child)
        if urgency == NOW and child.asked == 1:
            self._root.loop.after(SECOND_TERM, lambda: self._ask_again(child))
        limit = child.limit
        if limit is None or limit.when > time.monotonic() + within:
            if limit is not None:
                limit.cancel()
            child.limit = self._root.loop.after(within, lambda: self._late(child))

    def kill(self, child: Child, why: str) -> None:
        """Kill it; what is below it follows when it has been reaped."""
        if child.status is not None:
            return
        child.why = child.why or why
        process_tree.send(child.pid, signal.SIGKILL)

    def expect_end(self, child: Child) -> None:
        """It has closed its channel, so it is ending, or is of no use."""
        self._root.loop.after(GRACE, lambda: self.kill(child, "hung"))

    def wake(self, child: Child) -> None:
        """Let it look at its row."""
        if child.status is None:
            process_tree.send(child.pid, signal.SIGUSR1)

    def look_for_hung(self) -> None:
        """Kill those that have been silent for too long."""
        root, now = self._root, time.monotonic()
        limit = root.config.hung_after
        every = min(limit / 4, 5.0)
        if now - self._looked > every * 2:
            # Root itself has not run: the machine or the service was halted, so silence says nothing yet.
            for child in root.table:
                if child.slot is not None:
                    root.slots.beat(child.slot)
        self._looked = now
        for child in root.table:
            if child.slot is not None and child.status is None and now - root.slots.beaten(child.slot) > limit:
                say(f"{child.key} has given no sign of life for {limit:g} s and is killed", WARNING)
                self.kill(child, "hung")
        root.loop.after(every, self.look_for_hung)

    def _ask(self, child: Child) -> None:
        child.asked += 1
        process_tree.send(child.pid, signal.SIGTERM)

    def _ask_again(self, child: Child) -> None:
        if child.status is None:
            self._ask(child)
            # It may not have run in between, and then it has seen one signal.
            self._root.loop.after(AGAIN, lambda: self._ask_again(child))

    def _late(self, child: Child) -> None:
        if child.status is None:
            say(f"{child.key} did not end in time and is killed", WARNING)
            self.kill(child, "late")

    # --- the dead ------------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Collect all that have ended; nobody else does, so no process id in the table is another process's."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            child = self._root.table.of_pid(pid)
            if child is not None:
                self.gone(child, status)
            elif self._root.forker.in_flight is not None:
                self._root.forker.early[pid] = status
        self.clean()

    def gone(self, child: Child, status: int) -> None:
        """It has ended; it stays in the table until nothing of it is left."""
        child.status = status
        child.ended = time.monotonic()
        if child.limit is not None:
            child.limit.cancel()
        self._root.table.reaped(child)
        if not self.cleaning:
            self._clean_until = child.ended + UNKILLABLE
        self.cleaning.append(child)
        if child.key == FORKSERVER:
            self._root.forker.died()

    def clean(self) -> None:
        """Kill whatever the dead have left, and tell of them when nothing is left."""
        # A child that is just being forked looks like a leftover until it has a key.
        if not self.cleaning or self._root.forker.in_flight is not None:
            return
        left = self.leftovers()
        if left and time.monotonic() < self._clean_until:
            # The parent of a spare, which a dead forkserver has left, may still have a child that is known.
            process_tree.kill(left, self._root.table.pids())
            if not self._scheduled:
                self._scheduled = True
                self._root.loop.after(SWEEP, self._sweep)
            return
        if left:
            say(f"cannot kill what {self.cleaning[0].key} has left: {sorted(left)}", WARNING)
            self._given_up |= left
        dead, self.cleaning = self.cleaning, []
        for child in dead:
            self._finish(child)
        self._root.forker.pump()

    def leftovers(self) -> set[int]:
        """Processes below root that belong to no child, but for those that actions have left on purpose."""
        found = set(process_tree.children_of(os.getpid())) - self._root.table.pids()
        self._given_up &= found
        self._kept &= found
        left = found - self._given_up - self._kept
        for pid in sorted(left):
            if process_tree.is_left_by_an_action(pid):
                say(f"process {pid}, which an action has started, goes on", NOTICE)
                self._kept.add(pid)
        return left - self._kept

    def _sweep(self) -> None:
        self._scheduled = False
        self.reap()

    def _finish(self, child: Child) -> None:
        root = self._root
        why = self._why(child)
        if child.cgroup is not None:
            cgroups.remove(child.cgroup)
        root.table.remove(child)
        if child.is_own:
            root.own.ended(child, why)
        else:
            root.control.tell_ended(child, why)
        root.child_ended(child)

    def _why(self, child: Child) -> str:
        status = child.status or 0
        if not os.WIFSIGNALED(status):
            return "exited"
        number = os.WTERMSIG(status)
        if child.why is not None and number == signal.SIGKILL:
            return child.why
        if number == signal.SIGKILL and child.cgroup is not None and cgroups.ran_out_of_memory(child.cgroup):
            return "out_of_memory"
        return "exited" if child.asked and number == signal.SIGTERM else "killed"
