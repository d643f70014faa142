"""What managers and the supervisor say to one another about child processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.clock import Instant
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
    """Who is due and waits for a free place."""

    order: Mapping[str, int] = field(default_factory=dict[str, int])
    """By key, from 1."""
    taken: int = 0
    places: int = 0
    """How many processes there may be at a time."""


class Table(dict[str, Child]):
    """Every child by its key, and who waits to become one."""

    def __init__(self) -> None:
        super().__init__()
        self.queues: dict[str, Queue] = {}
        """By the prefix of the keys."""
        self.draining: bool = False
        """The service is stopping: nobody becomes one any more."""


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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a manager wants done, and when it wants to look again if nothing wakes it before."""

    start: tuple[str, ...] = ()
    """Keys, the most urgent first; the supervisor starts as many as it has room for."""
    stop: Mapping[str, Urgency] = field(default_factory=dict[str, Urgency])
    wake: tuple[str, ...] = ()
    """Keys of children that are to look at their rows."""
    look_again: float | None = None
    """Seconds."""
    queue: Queue = field(default_factory=Queue)
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """For the status line: how many are in which state."""
