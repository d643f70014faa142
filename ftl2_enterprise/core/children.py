"""What managers and the supervisor say to one another about child processes."""

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
    """What it is for, `loop:17`: there is never more than one process of a key."""
    pid: int | None
    """None until it is known."""
    started_at: Instant
    stopping: bool = False
    """It was asked to end."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Keys that are due and wait for a free place, whichever manager they are of."""

    order: Mapping[str, int] = field(default_factory=dict[str, int])
    """Place of each key, from 1."""
    taken: int = 0
    places: int = 0
    """How many children there may be at a time."""


class Table(dict[str, Child]):
    """Every child by its key, and the queue of those to come."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue = Queue()
        self.draining: bool = False
        """The service is stopping: no child is started any more."""


class ExitStatus(IntEnum):
    """Exit statuses of children that mean something to the supervisor or to a manager (sysexits.h)."""

    DONE = 0
    UNREACHABLE = 69
    """Something that it needs cannot be reached now; it may be started again a little later."""
    CRASHED = 70
    """An unexpected exception, which is in the log."""
    HELD = 75
    """Another process holds what it is for."""
    HOPELESS = 78
    """Restarting will not help: a setting or the installation has to change first."""


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
    """With the pid, what tells this process from every other one of the key."""
    number: int | None = None
    """Under which the end is told until it is recorded."""


class Urgency(StrEnum):
    """How a child is asked to end."""

    SAFE_POINT = "safe_point"
    """When the step in hand is done, within the drain limit."""
    NOW = "now"
    """The step in hand is cut off and recorded as unknown."""
    KILL = "kill"
    """By SIGKILL to all of its processes."""


class Candidate(NamedTuple):
    """A key that is due for a process."""

    key: str
    priority: int = 0
    """The higher one goes first."""
    since: Instant = 0
    """Since when it is due: among those of equal priority, the earlier one goes first."""
    counted_as: str = ""
    """The word of the plan's `counts` under which it is counted, unless it has to wait for a place."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What has to change so that the children of one manager are as its rows require."""

    start: tuple[Candidate, ...] = ()
    """Every key that is due and has no child, in the order of the manager. How many of them are started is decided
    over the plans of all managers, as there is one limit for all children."""
    stop: Mapping[str, Urgency] = field(default_factory=dict[str, Urgency])
    wake: tuple[str, ...] = ()
    """Keys of children that have to read their rows again."""
    yields: Mapping[str, Instant] = field(default_factory=dict[str, Instant])
    """Keys of children that only rest, and until when. They end at a safe point when others wait for a place."""
    look_again: float | None = None
    """Seconds after which the manager has to be asked again, if nothing wakes it before."""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """For the status line and `health`: how many rows are in which state."""
