"""Keeps the supervisor's own processes alive: again at once, then later and later, and then no more."""

from __future__ import annotations

import os

from ftl2_enterprise.supervisor.root.config import CONTROL, FORKSERVER, OWN
from ftl2_enterprise.supervisor.root.forkserver_link import Request
from ftl2_enterprise.supervisor.root.stderr import ERROR, WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.root.channel import Message
    from ftl2_enterprise.supervisor.root.child_table import Child
    from ftl2_enterprise.supervisor.root.event_loop import Timer
    from ftl2_enterprise.supervisor.root.main import Root

HOPELESS = 78
"""Exit status of a process that would fail again, whenever it is started (EX_CONFIG)."""
GIVEN_UP = 71
"""Exit status of root when one of its processes fails again and again (EX_OSERR)."""


class Record:
    """How one of them has fared."""

    def __init__(self) -> None:
        self.starts = 0
        self.failures = 0
        """Short lives in a row."""
        self.barren = 0
        """Lives in a row that ended before they were of use, and not because somebody outside killed them."""
        self.is_ready = False
        self.timer: Timer | None = None
        self.requested = False


def delay(failures: int, first: float, cap: float) -> float:
    """Seconds before the next start after so many failures in a row."""
    return 0.0 if failures <= 1 else min(first * 2 ** (failures - 2), cap)


class Own:
    """Forkserver, writer and control."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.records = {name: Record() for name in OWN}

    def ensure(self) -> None:
        """Start what is missing and not about to be started."""
        for name in OWN:
            record = self.records[name]
            is_there = self._root.table.get(name) is not None or record.requested or record.timer is not None
            if not is_there and self._root.ending.wants(name):
                self._start(name)

    def started(self, child: Child) -> None:
        """One lives."""
        record = self.records[child.key]
        record.requested = False
        record.starts += 1
        record.is_ready = False
        self._root.control.tell_processes()

    def ended(self, child: Child, why: str) -> None:
        """One has ended, and nothing of it is left."""
        root, name = self._root, child.key
        if name == CONTROL:
            root.control.lost()
        if name not in self.records:
            return  # an old writer, or the check before an upgrade
        root.control.tell_processes()
        if child.stopping or child.generation != root.generation:
            self.ensure()
            return
        status = child.status or 0
        code = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        said = f"signal {os.WTERMSIG(status)}" if code is None else f"status {code}"
        say(f"{name} has ended after {child.ended - child.started:.1f} s: {why}, {said}", WARNING)
        if code == HOPELESS:
            self._give_up(f"cannot go on: {name} says that starting it again is of no use", HOPELESS)
        else:
            self.failed(name, child.ended - child.started, was_killed=why == "killed" and code is None)

    def failed(self, name: str, ran: float, *, was_killed: bool = False) -> None:
        """One has ended that should not have, or could not be started."""
        config, record = self._root.config, self.records[name]
        record.requested = False
        is_healthy = ran >= config.healthy_after
        record.failures = 1 if is_healthy else record.failures + 1
        if is_healthy or record.is_ready:
            record.barren = 0
        elif not was_killed:
            record.barren += 1
        if record.barren > (config.forkserver_limit if name == FORKSERVER else config.own_limit):
            self._give_up(f"cannot go on: {name} has failed {record.barren} times in a row", GIVEN_UP)
            return
        wait = delay(record.failures, config.restart_delay, config.restart_cap)
        if wait == 0.0:
            self.ensure()
        elif record.timer is None:
            record.timer = self._root.loop.after(wait, lambda: self._again(record))

    def lines(self) -> list[Message]:
        """For control: root and these."""
        root = self._root
        found: list[Message] = [{"name": "root", "pid": os.getpid(), "since": root.started_at, "restarts": 0}]
        for name, record in self.records.items():
            child = root.table.get(name)
            alive = child if child is not None and child.status is None else None
            found.append({
                "name": name, "pid": alive.pid if alive else None, "since": alive.at if alive else None,
                "restarts": max(record.starts - 1, 0),
            })  # fmt: skip
        return found

    def _again(self, record: Record) -> None:
        record.timer = None
        self.ensure()

    def _start(self, name: str) -> None:
        root, record = self._root, self.records[name]
        record.requested = True
        if name == FORKSERVER:
            root.forker.start()
            return
        argument, log = root.config.arguments.get(name, ""), root.config.logs.get(name)
        root.forker.request(Request(name, argument, log=log))

    def _give_up(self, sentence: str, status: int) -> None:
        say(sentence, ERROR)
        self._root.systemd.status(sentence)
        self._root.ending.begin(now=True, status=status)
