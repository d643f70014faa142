"""The table of children as control knows it: what root reported, and what was requested of root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.children import Child, Ending, Table, Urgency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.children import Queue
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.supervisor.control.root_messages import ChildEnded, ChildStarted, TableLine

_RANK = list(Urgency)


class Children:
    """The children by key. One that has ended stays until its end is recorded, so that no other is started before."""

    def __init__(self) -> None:
        self.version: int = 0
        """Changes with each change of the table."""
        self._table: Table = Table()
        self._asked: dict[str, Urgency] = {}
        """How each child was asked to end, by key."""
        self._old: set[str] = set()
        self._ended: set[str] = set()
        """Keys of children whose end is being recorded."""

    @property
    def table(self) -> Table:
        """Every child; the caller must not change it."""
        return self._table

    def of(self, prefix: str) -> dict[str, Child]:
        """The children of one kind, which is the part of the key before the colon."""
        return {key: child for key, child in self._table.items() if key.startswith(f"{prefix}:")}

    def queued(self, queue: Queue) -> None:
        """Replace the queue of the keys that wait for a place."""
        if self._table.queue != queue:
            self._table.queue = queue
            self.version += 1

    def drain(self, *, draining: bool) -> None:
        """Record whether the service is stopping."""
        self._table.draining = draining
        self.version += 1

    @property
    def old(self) -> Iterable[str]:
        """Keys of children that were forked before an upgrade."""
        return self._old

    def load(self, lines: Iterable[TableLine]) -> None:
        """Take over entries of the table of root."""
        for line in lines:
            self._put(Child(key=line.key, pid=line.pid, started_at=line.at, stopping=line.stopping))
            if line.stopping:
                self._asked[line.key] = Urgency.SAFE_POINT
            if line.old:
                self._old.add(line.key)

    def ordered(self, key: str, now: Instant) -> None:
        """Record that a process was requested."""
        self._put(Child(key=key, pid=None, started_at=now))

    def started(self, started: ChildStarted) -> None:
        """Root has started a process, or had already."""
        known = self._table.get(started.key)
        stopping = known is not None and known.stopping
        if started.key in self._ended:
            self._ended.discard(started.key)
            self._asked.pop(started.key, None)
            stopping = False
        self._put(Child(key=started.key, pid=started.pid, started_at=started.at, stopping=stopping))

    def asked(self, key: str, urgency: Urgency) -> bool:
        """Record that the child is asked to end; False if it was already asked with that urgency, or has ended."""
        child = self._table.get(key)
        before = self._asked.get(key)
        if child is None or key in self._ended or (before and _RANK.index(before) >= _RANK.index(urgency)):
            return False
        self._asked[key] = urgency
        self._old.discard(key)
        if not child.stopping:
            self._put(_changed(child, stopping=True))
        return True

    def ended(self, ended: ChildEnded, now: Instant) -> tuple[Child, Ending]:
        """A process has ended: the child as it was before, and how it ended."""
        known = self._table.get(ended.key)
        child = known or Child(key=ended.key, pid=ended.pid, started_at=now)
        if known is None or known.pid is None or ended.pid is None or known.pid == ended.pid:
            self._ended.add(child.key)
            self._put(Child(key=child.key, pid=None, started_at=child.started_at, stopping=True))
        # Otherwise the message is about an earlier process of the key, and the present one is not affected.
        ending = Ending(
            key=child.key, pid=ended.pid, why=ended.why, status=ended.status, signal=ended.signal, ran=ended.ran,
            started_at=ended.at, number=ended.number,
        )  # fmt: skip
        return child, ending

    def gone(self, key: str) -> None:
        """Forget a child whose end is recorded."""
        if key in self._ended:
            self._ended.discard(key)
            self._table.pop(key, None)
            self._asked.pop(key, None)
            self._old.discard(key)
            self.version += 1

    def _put(self, child: Child) -> None:
        self._table[child.key] = child
        self.version += 1


def _changed(child: Child, *, stopping: bool) -> Child:
    return Child(key=child.key, pid=child.pid, started_at=child.started_at, stopping=stopping)
