"""Finds children whose heartbeat has stopped."""

from __future__ import annotations

import time

from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.heartbeat import Slots
    from ftl2_enterprise.supervisor.root.child_table import ChildRecord, ChildTable
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop


class HeartbeatWatch:
    """Kills children that have been silent for longer than the limit, in seconds."""

    def __init__(
        self, loop: EventLoop, table: ChildTable, slots: Slots, *, limit: float,
        kill: Callable[[ChildRecord, str], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._table = table
        self._slots = slots
        self._limit = limit
        self._kill = kill
        self._checked = time.monotonic()

    def check(self) -> None:
        """Check every child now, and periodically from now on."""
        now, every = time.monotonic(), min(self._limit / 4, 5.0)
        if now - self._checked > every * 2:
            # Root itself has not run: the machine or the service was suspended, so silence means nothing yet.
            for child in self._table:
                if child.slot is not None:
                    self._slots.beat(child.slot)
        self._checked = now
        for child in self._table:
            if child.slot is None or child.status is not None:
                continue
            if now - self._slots.beaten(child.slot) > self._limit:
                write_line(f"{child.key} has sent no heartbeat for {self._limit:g} s and is killed", WARNING)
                self._kill(child, "hung")
        self._loop.after(every, self.check)
