"""How the service stops: first the children that work, then control, then the writer, then the forkserver."""

from __future__ import annotations

import time

from ftl2_enterprise.supervisor.root.child_stopper import KILL, NOW, SAFE_POINT
from ftl2_enterprise.supervisor.root.config import CHECK, CONTROL, FORKSERVER, WRITER
from ftl2_enterprise.supervisor.stderr import NOTICE, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.child_stopper import ChildStopper
    from ftl2_enterprise.supervisor.root.child_table import ChildRecord, ChildTable
    from ftl2_enterprise.supervisor.root.config import Config
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop
    from ftl2_enterprise.supervisor.root.notify import ServiceManager

    class ShutdownOwner(Protocol):
        """What the shutdown has to know, and whom it notifies."""

        def shutdown_begins(self) -> None:
            """No child is forked any more; control is to be notified."""
            ...

        @property
        def key_in_flight(self) -> str | None:
            """The key of the child that is being forked."""
            ...

        @property
        def is_cleaning(self) -> bool:
            """Whether something of an ended child is left."""
            ...


ORDER = (CHECK, CONTROL, WRITER, FORKSERVER)


class ShutdownSequence:
    """Begins once. A later request can only expedite it."""

    def __init__(
        self, loop: EventLoop, table: ChildTable, config: Config, stopper: ChildStopper, manager: ServiceManager,
        owner: ShutdownOwner,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._table = table
        self._config = config
        self._stopper = stopper
        self._manager = manager
        self._owner = owner
        self.is_begun = False
        self.is_done = False
        self.status = 0
        """The exit status of root."""
        self._is_urgent = False
        self._deadline = 0.0
        self._stage = ""
        """The last one of ORDER that was asked to end."""

    @property
    def needs_core_processes(self) -> bool:
        """Whether core processes that end are still restarted: the other children need a writer to finish."""
        return not self._stage

    def begin(self, *, now: bool, status: int = 0, expedited_by: str = "SIGQUIT") -> None:
        """Ask the children to end: at their next safe point, or now. `expedited_by` is what shortens it further."""
        if status and not self.status:
            self.status = status
        if self.is_begun and (self._is_urgent or not now):
            return
        within = self._config.quit_timeout if now else self._config.drain_timeout
        is_first, self.is_begun, self._is_urgent = not self.is_begun, True, now
        self._deadline = time.monotonic() + within
        if is_first:
            self._manager.send("STOPPING=1")
            self._extend_timeout()
            self._owner.shutdown_begins()
        children = self._working()
        write_line("stopping now" if now else _announcement(len(children), within, expedited_by), NOTICE)
        for child in children:
            self._stopper.stop(child, NOW if now else SAFE_POINT, within)
        self.advance()

    def stop_late_child(self, child: ChildRecord) -> None:
        """Stop a child that was being forked when the shutdown began."""
        if self.is_begun and not child.is_core:
            within = max(self._deadline - time.monotonic(), 0.0)
            self._stopper.stop(child, NOW if self._is_urgent else SAFE_POINT, within)

    def advance(self) -> None:
        """Begin the next step if the previous one is done."""
        if not self.is_begun or self.is_done:
            return
        left, in_flight = self._working(), self._owner.key_in_flight
        if left or (in_flight is not None and ":" in in_flight):
            self._manager.status(f"stopping: waiting for {_count(len(left))}")
            return
        for name in ORDER:
            running = [child for child in self._table if child.key.partition("@")[0] == name]
            if running or in_flight == name:
                self._stage = name
                for child in running:
                    self._stop(child)
                return
        self._stage = FORKSERVER
        self.is_done = not self._owner.is_cleaning and not self._table.pids()

    def _working(self) -> list[ChildRecord]:
        return [child for child in self._table if not child.is_core]

    def _stop(self, child: ChildRecord) -> None:
        if not child.stopping:
            # The others have nothing to finish.
            urgency = SAFE_POINT if child.key.startswith((CONTROL, WRITER)) else KILL
            limit = self._config.quit_timeout if self._is_urgent else self._config.end_timeout
            self._stopper.stop(child, urgency, limit)

    def _extend_timeout(self) -> None:
        # Repeated: whatever its own limit is, the service manager waits as long as root lives.
        every = self._config.patience
        self._manager.extend(every * 4)
        self._loop.after(every, self._extend_timeout)


def _count(children: int) -> str:
    return "1 process" if children == 1 else f"{children} processes"


def _announcement(children: int, within: float, expedited_by: str) -> str:
    if not children:
        return "stopping: no process has a step in progress"
    verb, whose, whom = (
        ("finishes", "its current step", "it") if children == 1 else ("finish", "their current steps", "them")
    )
    return f"stopping: {_count(children)} {verb} {whose} within {within:g} s; {expedited_by} stops {whom} now"
