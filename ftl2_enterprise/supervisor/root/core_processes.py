"""Keeps forkserver, writer and control alive: restarts them immediately, then with a growing delay, then gives up."""

from __future__ import annotations

import os

from ftl2_enterprise.supervisor.root.config import CORE, FORKSERVER
from ftl2_enterprise.supervisor.root.messages import OTHER_VERSION
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.child_table import ChildRecord, ChildTable
    from ftl2_enterprise.supervisor.root.config import Config
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop, Timer
    from ftl2_enterprise.supervisor.root.messages import Message

    class CoreOwner(Protocol):
        """What starts core processes, and is notified of them."""

        def is_needed(self, name: str) -> bool:
            """Whether the process is still to be started."""
            ...

        def start_core_process(self, name: str) -> None:
            """Start the process, or request it."""
            ...

        def core_processes_changed(self) -> None:
            """One was started, or has ended."""
            ...

        def forkserver_refused(self) -> None:
            """The installed forkserver understands other messages; it is not executed again for the moment."""
            ...

        def give_up(self, sentence: str, status: int) -> None:
            """Stop the service, with that exit status, because it cannot work."""
            ...


HOPELESS = 78
"""Exit status of a process that will fail at every start (EX_CONFIG)."""
GIVEN_UP = 71
"""Exit status of root when a core process fails again and again (EX_OSERR)."""


class CoreProcess:
    """The history of one of them."""

    def __init__(self) -> None:
        self.starts = 0
        self.failures = 0
        """Consecutive short lives."""
        self.futile = 0
        """Consecutive lives that ended before the process was ready, except those that another process killed."""
        self.is_ready = False
        self.timer: Timer | None = None
        """Until the next start."""
        self.is_requested = False


def delay(failures: int, first: float, cap: float) -> float:
    """Seconds before the next start, after that many consecutive failures."""
    return 0.0 if failures <= 1 else min(first * 2 ** (failures - 2), cap)


class CoreProcesses:
    """Forkserver, writer and control."""

    def __init__(
        self, loop: EventLoop, table: ChildTable, config: Config, owner: CoreOwner, starts: Mapping[str, int]
    ) -> None:
        self._loop = loop
        self._table = table
        self._config = config
        self._owner = owner
        self._processes = {name: CoreProcess() for name in CORE}
        for name, count in starts.items():
            self._processes[name].starts = count

    @property
    def starts(self) -> dict[str, int]:
        """How often each of them was started."""
        return {name: process.starts for name, process in self._processes.items()}

    def ensure(self) -> None:
        """Start the processes that do not exist and are not about to be started."""
        for name, process in self._processes.items():
            exists = self._table.get(name) is not None or process.is_requested or process.timer is not None
            if not exists and self._owner.is_needed(name):
                process.is_requested = True
                self._owner.start_core_process(name)

    def ready(self, name: str) -> None:
        """Record that the process works."""
        self._processes[name].is_ready = True

    def started(self, child: ChildRecord) -> None:
        """Record the start of one of them."""
        process = self._processes[child.key]
        process.is_requested = False
        process.starts += 1
        process.is_ready = False
        self._owner.core_processes_changed()

    def ended(self, child: ChildRecord, why: str, *, was_expected: bool) -> None:
        """Record that nothing is left of one of them, and start the next one when it is time."""
        name = child.key
        if name not in self._processes:
            return  # an old writer, or the check before an upgrade
        self._owner.core_processes_changed()
        if was_expected:
            self.ensure()
            return
        status, ran = child.status or 0, child.ended - child.started
        code = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        how = f"signal {os.WTERMSIG(status)}" if code is None else f"status {code}"
        write_line(f"{name} ended after {ran:.1f} s: {why}, {how}", WARNING)
        if code == OTHER_VERSION:
            self._owner.forkserver_refused()
        elif code == HOPELESS:
            self._owner.give_up(f"cannot continue: {name} reports that a restart will not help", HOPELESS)
        else:
            self.failed(name, ran, was_killed=why == "killed" and code is None)

    def failed(self, name: str, ran: float, *, was_killed: bool = False) -> None:
        """Record that one of them ended unexpectedly after that many seconds, or could not be started."""
        config, process = self._config, self._processes[name]
        process.is_requested = False
        is_healthy = ran >= config.healthy_after
        process.failures = 1 if is_healthy else process.failures + 1
        if is_healthy or process.is_ready:
            process.futile = 0
        elif not was_killed:
            process.futile += 1
        if process.futile > (config.forkserver_limit if name == FORKSERVER else config.own_limit):
            sentence = f"cannot continue: {name} has failed {process.futile} times in a row"
            self._owner.give_up(sentence, GIVEN_UP)
            return
        wait = delay(process.failures, config.restart_delay, config.restart_cap)
        if wait == 0.0:
            self.ensure()
        elif process.timer is None:
            process.timer = self._loop.after(wait, lambda: self._retry(process))

    def lines(self) -> list[Message]:
        """Each of them as reported to control: name, pid, start, restarts."""
        found: list[Message] = []
        for name, process in self._processes.items():
            child = self._table.get(name)
            alive = child if child is not None and child.status is None else None
            found.append({
                "name": name, "pid": alive.pid if alive else None, "since": alive.at if alive else None,
                "restarts": max(process.starts - 1, 0),
            })  # fmt: skip
        return found

    def _retry(self, process: CoreProcess) -> None:
        process.timer = None
        self.ensure()
