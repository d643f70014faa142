"""The values that managers and the supervisor exchange about child processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.core.clock import Instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.end_reason import Why


@dataclass(frozen=True, kw_only=True)
class Child:
    """A process that the supervisor has started, or is starting."""

    key: str
    """What it is for, `KIND:ID`. There is never more than one process for a key."""
    pid: int | None
    """None until it is known."""
    started_at: Instant
    stopping: bool = False
    """It was asked to end."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Keys of all managers that are due and wait for a free place."""

    order: Mapping[str, int] = field(default_factory=dict[str, int])
    """Place of each key, from 1."""
    taken: int = 0
    """Places in use."""
    places: int = 0
    """How many children may exist at a time."""


class Table(dict[str, Child]):
    """Every child by its key, and the queue of keys that wait for a place."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue = Queue()
        self.draining: bool = False
        """The service is stopping: no more children are started."""


class ExitStatus(IntEnum):
    """Exit statuses of children that mean something to the supervisor or to a manager (sysexits.h)."""

    DONE = 0
    UNREACHABLE = 69
    """Something that it needs is unavailable now; it may be restarted a little later."""
    CRASHED = 70
    """An unexpected exception, which is in the log."""
    HELD = 75
    """Another process holds its claim."""
    HOPELESS = 78
    """A restart will not help: a setting or the installation has to change first."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a child ended."""

    key: str
    pid: int | None
    why: Why
    status: int | None = None
    """Exit status, when it exited."""
    signal: int | None = None
    ran: float = 0.0
    """Seconds."""
    started_at: Instant | None = None
    """Identifies this process, with the pid, among all that the key ever had."""
    number: int | None = None
    """The number under which root repeats the end until it is recorded."""


class Urgency(StrEnum):
    """How a child is asked to end."""

    SAFE_POINT = "safe_point"
    """After the current step, within the drain time-out."""
    NOW = "now"
    """The current step is interrupted and recorded as unknown."""
    KILL = "kill"
    """By SIGKILL to all its processes."""


class Candidate(NamedTuple):
    """A key that is due for a process."""

    key: str
    priority: int = 0
    """Higher values go first."""
    since: Instant = 0
    """Since when it is due. Of two with equal priority, the earlier one goes first."""
    counted_as: str = ""
    """The key of the plan's `counts` under which it is counted, unless it has to wait for a place."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The difference between the children of one manager and those that its rows require."""

    start: tuple[Candidate, ...] = ()
    """Every key that is due and has no child, in the order of the manager. Control decides over the plans of all
    managers how many of them are started, because there is one limit for all children."""
    stop: Mapping[str, Urgency] = field(default_factory=dict[str, Urgency])
    wake: tuple[str, ...] = ()
    """Keys of children that have to read their rows again."""
    yields: Mapping[str, Instant] = field(default_factory=dict[str, Instant])
    """Keys of children that only rest, with the end of the rest. They end at a safe point if other keys wait for a
    place."""
    recheck_after: float | None = None
    """Seconds after which the manager has to plan again if nothing wakes it before."""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many rows are in which state, for the status line and `health`."""
