"""Signals to children: asks them to end, kills those that do not, wakes them."""

from __future__ import annotations

import signal
import time

from ftl2_enterprise.supervisor.root import process_tree
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.root.child_table import ChildRecord
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop

SAFE_POINT, NOW, KILL = "safe_point", "now", "kill"
SECOND_TERM = 0.1
"""Seconds between the first TERM signal and the second one: the kernel merges signals that arrive together."""
REPEAT_TERM = 1.0
"""Seconds after which the second TERM is repeated."""
GRACE = 1.0
"""Seconds between the end of a child's channel and its death."""


class ChildStopper:
    """Ends children. What is left of a child after its death is the reaper's concern."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop

    def stop(self, child: ChildRecord, urgency: str, within: float) -> None:
        """Ask a child to end, and kill it if it has not ended within that many seconds.

        The first TERM means "at the next safe point", a second one "now". Later calls can only shorten the time.
        """
        if child.status is not None:
            return
        child.stopping = True
        if urgency == KILL:
            self.kill(child, "exited")
            return
        if child.asked == 0:
            self._ask(child)
        if urgency == NOW and child.asked == 1:
            self._loop.after(SECOND_TERM, lambda: self._ask_again(child))
        limit = child.limit
        if limit is None or limit.when > time.monotonic() + within:
            if limit is not None:
                limit.cancel()
            child.limit = self._loop.after(within, lambda: self._late(child))

    def kill(self, child: ChildRecord, why: str) -> None:
        """Kill a child. The first reason counts; the processes below it are killed when it has been reaped."""
        if child.status is not None:
            return
        child.why = child.why or why
        process_tree.send(child.pid, signal.SIGKILL)

    def expect_end(self, child: ChildRecord) -> None:
        """Kill a child that closed its channel, unless it ends within a moment."""
        self._loop.after(GRACE, lambda: self.kill(child, "hung"))

    def wake(self, child: ChildRecord) -> None:
        """Let a child read its row again."""
        if child.status is None:
            process_tree.send(child.pid, signal.SIGUSR1)

    def _ask(self, child: ChildRecord) -> None:
        child.asked += 1
        process_tree.send(child.pid, signal.SIGTERM)

    def _ask_again(self, child: ChildRecord) -> None:
        if child.status is None:
            self._ask(child)
            # The child may not have run in between, and then it has seen one signal.
            self._loop.after(REPEAT_TERM, lambda: self._ask_again(child))

    def _late(self, child: ChildRecord) -> None:
        if child.status is None:
            write_line(f"{child.key} did not end in time and is killed", WARNING)
            self.kill(child, "late")
