"""How the service ends: loops first, then control, then the writer, then the forkserver."""

from __future__ import annotations

import time

from ftl2_enterprise.supervisor.root.children import KILL, NOW, SAFE_POINT
from ftl2_enterprise.supervisor.root.config import CHECK, CONTROL, FORKSERVER, WRITER
from ftl2_enterprise.supervisor.root.stderr import NOTICE, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.root.child_table import Child
    from ftl2_enterprise.supervisor.root.main import Root

ORDER = (CHECK, CONTROL, WRITER, FORKSERVER)


class Ending:
    """Begins once; what comes later can only hurry it."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.is_begun = False
        self.is_done = False
        self.status = 0
        self._is_urgent = False
        self._deadline = 0.0
        self._ended = ""
        """The latest of ORDER that has been asked to end."""

    def wants(self, name: str) -> bool:
        """Whether one of the supervisor's own processes is still to be there: loops need a writer to finish."""
        return not self._ended

    def begin(self, *, now: bool, status: int = 0, hurried_by: str = "SIGQUIT") -> None:
        """Ask every loop to end: at its next safe point, or now. `hurried_by` is what whoever asked may send next."""
        root = self._root
        if status and not self.status:
            self.status = status
        if self.is_begun and (self._is_urgent or not now):
            return
        within = root.config.quit_timeout if now else root.config.drain_timeout
        first, self.is_begun, self._is_urgent = not self.is_begun, True, now
        self._deadline = time.monotonic() + within
        if first:
            root.systemd.say("STOPPING=1")
            self._ask_patience()
            root.control.tell("drain")
            for key in root.forker.waiting():
                root.forker.forget(key)
                root.control.tell_not_started(key, "the service is stopping")
        loops = self._loops()
        say("stopping now" if now else _told(len(loops), within, hurried_by), NOTICE)
        for child in loops:
            root.children.stop(child, NOW if now else SAFE_POINT, within)
        self.go_on()

    def caught(self, child: Child) -> None:
        """A child that was being forked when the end began."""
        if self.is_begun and not child.is_own:
            within = max(self._deadline - time.monotonic(), 0.0)
            self._root.children.stop(child, NOW if self._is_urgent else SAFE_POINT, within)

    def go_on(self) -> None:
        """Take the next step when the one before is done."""
        root = self._root
        if not self.is_begun or self.is_done:
            return
        left = self._loops()
        if left or (root.forker.in_flight is not None and ":" in root.forker.in_flight.key):
            root.systemd.status(f"stopping: {len(left)} loops left")
            return
        for name in ORDER:
            there = [child for child in root.table if child.key.partition("@")[0] == name]
            if there or (root.forker.in_flight is not None and root.forker.in_flight.key == name):
                self._ended = name
                for child in there:
                    self._end(child)
                return
        self._ended = FORKSERVER
        self.is_done = not root.children.cleaning and not root.table.pids()

    def _loops(self) -> list[Child]:
        return [child for child in self._root.table if not child.is_own]

    def _end(self, child: Child) -> None:
        if not child.stopping:
            # The others have nothing to finish.
            urgency = SAFE_POINT if child.key.startswith((CONTROL, WRITER)) else KILL
            limit = self._root.config.quit_timeout if self._is_urgent else self._root.config.end_timeout
            self._root.children.stop(child, urgency, limit)

    def _ask_patience(self) -> None:
        # Again and again: whatever its own limit is, the service manager waits for as long as root lives.
        every = self._root.config.patience
        self._root.systemd.extend(every * 4)
        self._root.loop.after(every, self._ask_patience)


def _told(loops: int, within: float, hurried_by: str) -> str:
    if not loops:
        return "stopping: no loop has a step in hand"
    who = "1 loop finishes the step that it has" if loops == 1 else f"{loops} loops finish the steps that they have"
    return f"stopping: {who} in hand, within {within:g} s; {hurried_by} ends {'it' if loops == 1 else 'them'} now"
