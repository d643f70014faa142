"""The table of children."""

from __future__ import annotations

import time

from ftl2_enterprise.supervisor.heartbeat import SLOTS
from ftl2_enterprise.supervisor.root.config import CHECK, OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.supervisor.root.event_loop import Timer

KEPT = ("key", "pid", "slot", "at", "started", "argument", "cgroup", "stopping", "generation")
"""What is known of a child over an exec."""


class Child:
    """One process; a key never has two."""

    def __init__(
        self, key: str, pid: int, *, slot: int | None = None, argument: str = "", cgroup: str | None = None,
        generation: int = 0,
    ) -> None:  # fmt: skip
        self.key = key
        self.pid = pid
        self.slot = slot
        self.argument = argument
        self.cgroup = cgroup
        self.generation = generation
        self.at = time.time_ns() // 1000
        self.started = time.monotonic()
        self.stopping = False
        """It was asked to end."""
        self.asked = 0
        """How often it got the TERM signal."""
        self.why: str | None = None
        """Why it was killed, when root did."""
        self.limit: Timer | None = None
        """When it is late."""
        self.status: int | None = None
        """As waitpid told it; what it left behind is being killed then."""
        self.ended = 0.0

    @property
    def is_own(self) -> bool:
        """Whether it is one of the supervisor's own processes."""
        return self.key.partition("@")[0] in OWN or self.key == CHECK


class Table:
    """All of them, and the slots for their life signs."""

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}
        self._pids: dict[int, Child] = {}
        self._fresh = 0
        """Slots from here on have never been used."""
        self._free: list[int] = []

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def get(self, key: str) -> Child | None:
        """The child of a key."""
        return self._children.get(key)

    def of_pid(self, pid: int) -> Child | None:
        """The child with the process id."""
        return self._pids.get(pid)

    def pids(self) -> set[int]:
        """Of all that have not been reaped."""
        return set(self._pids)

    def take_slot(self) -> int | None:
        """A slot for a child that is being started."""
        if self._free:
            return self._free.pop()
        if self._fresh == SLOTS:
            return None
        self._fresh += 1
        return self._fresh - 1

    def give_slot(self, slot: int | None) -> None:
        """It was not needed."""
        if slot is not None:
            self._free.append(slot)

    def add(self, child: Child) -> None:
        """It lives."""
        self._children[child.key] = child
        self._pids[child.pid] = child

    def rename(self, child: Child, key: str) -> None:
        """Make room for another process of its key."""
        del self._children[child.key]
        child.key = key
        self._children[key] = child

    def reaped(self, child: Child) -> None:
        """Its process id may be somebody else's from now on."""
        self._pids.pop(child.pid, None)

    def remove(self, child: Child) -> None:
        """Nothing of it is left."""
        del self._children[child.key]
        self.give_slot(child.slot)

    def to_state(self) -> list[dict[str, object]]:
        """As plain values."""
        return [{name: getattr(child, name) for name in KEPT} for child in self]

    def restore(self, lines: list[dict[str, object]]) -> None:
        """Take over what another root, which is this process, has known."""
        for line in lines:
            child = Child(str(line["key"]), int(str(line["pid"])))
            for name in KEPT:
                setattr(child, name, line[name])
            self.add(child)
        taken = {child.slot for child in self if child.slot is not None}
        self._fresh = max(taken, default=-1) + 1
        self._free = [slot for slot in range(self._fresh) if slot not in taken]
