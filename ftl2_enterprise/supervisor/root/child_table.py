"""The table of children: every process that root has started and that is not cleaned up yet."""

from __future__ import annotations

import time

from ftl2_enterprise.supervisor.heartbeat import SLOTS
from ftl2_enterprise.supervisor.root.config import CHECK, CORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.supervisor.root.event_loop import Timer

KEPT = ("key", "pid", "slot", "at", "started", "argument", "cgroup", "stopping", "generation")
"""Attributes of a child that root keeps when it executes itself."""


class ChildRecord:
    """One process. No two records of the table have the same key."""

    def __init__(
        self, key: str, pid: int, *, slot: int | None = None, argument: str = "", cgroup: str | None = None,
        generation: int = 0,
    ) -> None:  # fmt: skip
        self.key = key
        self.pid = pid
        self.slot = slot
        """Index of its heartbeat."""
        self.argument = argument
        self.cgroup = cgroup
        self.generation = generation
        """How often root had executed itself when the child was started."""
        self.at = time.time_ns() // 1000
        """When it was started: microseconds since 1970."""
        self.started = time.monotonic()
        self.stopping = False
        """It was asked to end."""
        self.asked = 0
        """How many TERM signals were sent."""
        self.why: str | None = None
        """Why root killed it, if it did."""
        self.limit: Timer | None = None
        """Kills it when it does not end in time."""
        self.status: int | None = None
        """The status of waitpid(2). The processes that it left are being killed then."""
        self.ended = 0.0
        """On the monotonic clock."""

    @property
    def is_core(self) -> bool:
        """Whether it is one of the supervisor's own processes."""
        return self.key.partition("@")[0] in CORE or self.key == CHECK


class ChildTable:
    """The children by key and by pid, and the slots of their heartbeats."""

    def __init__(self) -> None:
        self._children: dict[str, ChildRecord] = {}
        self._pids: dict[int, ChildRecord] = {}
        self._unused = 0
        """Slots from this one on have never been used."""
        self._free: list[int] = []

    def __iter__(self) -> Iterator[ChildRecord]:
        return iter(list(self._children.values()))

    def get(self, key: str) -> ChildRecord | None:
        """The child with the key."""
        return self._children.get(key)

    def of_pid(self, pid: int) -> ChildRecord | None:
        """The child with the process id, if it has not been reaped."""
        return self._pids.get(pid)

    def pids(self) -> set[int]:
        """The process ids of the children that have not been reaped."""
        return set(self._pids)

    def take_slot(self) -> int | None:
        """Reserve a slot for a child that is being started; None when all are in use."""
        if self._free:
            return self._free.pop()
        if self._unused == SLOTS:
            return None
        self._unused += 1
        return self._unused - 1

    def give_slot(self, slot: int | None) -> None:
        """Release a slot."""
        if slot is not None:
            self._free.append(slot)

    def add(self, child: ChildRecord) -> None:
        """Add a child that was started."""
        self._children[child.key] = child
        self._pids[child.pid] = child

    def rename(self, child: ChildRecord, key: str) -> None:
        """Give a child another key, so that a second process can be started under its present one."""
        del self._children[child.key]
        child.key = key
        self._children[key] = child

    def reaped(self, child: ChildRecord) -> None:
        """Forget the process id, which the kernel may assign to another process from now on."""
        self._pids.pop(child.pid, None)

    def remove(self, child: ChildRecord) -> None:
        """Remove a reaped child, and release its slot."""
        del self._children[child.key]
        self.give_slot(child.slot)

    def lines(self, generation: int) -> list[dict[str, object]]:
        """The children of control, as it gets them: those of another generation were forked before an upgrade."""
        return [
            {
                "key": child.key, "pid": child.pid, "at": child.at, "stopping": child.stopping,
                "old": child.generation != generation,
            }
            for child in self if not child.is_core
        ]  # fmt: skip

    def to_state(self) -> list[dict[str, object]]:
        """The table as JSON values, for `restore`."""
        return [{name: getattr(child, name) for name in KEPT} for child in self]

    def restore(self, lines: list[dict[str, object]]) -> None:
        """Take over the table of the program that this process executed before."""
        for line in lines:
            child = ChildRecord(str(line["key"]), int(str(line["pid"])))
            for name in KEPT:
                setattr(child, name, line[name])
            self.add(child)
        taken = {child.slot for child in self if child.slot is not None}
        self._unused = max(taken, default=-1) + 1
        self._free = [slot for slot in range(self._unused) if slot not in taken]
