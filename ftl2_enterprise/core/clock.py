"""The one place where time is read.

Instants are integers: microseconds since the Unix epoch in UTC, so that they sort, subtract and store exactly.
Durations are seconds as floats.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

type Instant = int

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """The source of the time; tests use their own."""

    def now(self) -> Instant:
        """Microseconds since the epoch."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> Instant:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000


def after(instant: Instant, seconds: float) -> Instant:
    """The instant that many seconds later (earlier when negative)."""
    return instant + round(seconds * MICROSECONDS)


def seconds_between(earlier: Instant, later: Instant) -> float:
    """Seconds from one instant to another; negative when the clock went back."""
    return (later - earlier) / MICROSECONDS


def iso(instant: Instant) -> str:
    """ISO 8601 in UTC with milliseconds, for JSON and logs; an instant before year 1 or after 9999 is that limit.

    Never raises: one instant out of range must not keep others from being shown.
    """
    try:
        found = datetime.fromtimestamp(instant / MICROSECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        found = datetime.max.replace(tzinfo=UTC) if instant > 0 else datetime.min.replace(tzinfo=UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(instant: Instant) -> str:
    """Date and time in UTC, to the second, in sentences and lists for people: `2026-01-31 18:00:00Z`."""
    return iso(instant)[:19].replace("T", " ") + "Z"
