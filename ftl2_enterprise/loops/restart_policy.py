"""Whether and when to restart the process of a loop after it has ended. Pure: time and randomness are arguments."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass

from ftl2_enterprise.core.backoff import exponential, jittered
from ftl2_enterprise.core.children import ExitStatus
from ftl2_enterprise.core.clock import Instant, after, seconds_between
from ftl2_enterprise.core.end_reason import Why

WAITS: dict[int, float] = {ExitStatus.UNREACHABLE: 2.0, ExitStatus.HELD: 5.0}
"""Exit statuses that do not count as crashes, and the seconds until the next attempt."""
JITTER = 0.2


@dataclass(frozen=True, kw_only=True)
class RestartLimits:
    """The settings of the restart policy. Durations are in seconds."""

    delay: float
    """Before the restart after the first early crash; it doubles with each further one."""
    cap: float
    """Maximum of the growing delay."""
    healthy_after: float
    """A process that ran for this long is restarted immediately when it crashes."""
    limit: int
    """Crashes within `period` that are tolerated; one more, and the loop fails."""
    period: float


@dataclass(frozen=True, kw_only=True)
class ProcessEnd:
    """How the process of a loop ended. `ran` is in seconds."""

    why: Why
    status: int | None = None
    signal: int | None = None
    ran: float = 0.0

    @property
    def is_crash(self) -> bool:
        """Whether it counts as a crash of the loop."""
        match self.why:
            case Why.EXITED:
                return self.status != 0 and self.status not in WAITS
            case Why.LATE | Why.NOT_STARTED:
                return False
            case Why.KILLED | Why.HUNG | Why.OUT_OF_MEMORY:
                return True

    def describe(self) -> str:
        """A sentence about it, without a full stop."""
        match self.why:
            case Why.HUNG:
                return "its process sent no heartbeat and was killed"
            case Why.LATE:
                return "its process did not end in time and was killed"
            case Why.OUT_OF_MEMORY:
                return "its process reached its memory limit and was killed"
            case Why.NOT_STARTED:
                return "its process could not be started"
            case Why.KILLED:
                return f"its process was killed by {_name(self.signal)}"
            case Why.EXITED:
                return f"its process ended with status {self.status}"


@dataclass(frozen=True, kw_only=True)
class RestartDecision:
    """The crash counters of the loop after the end of its process, and what happens next."""

    crashes: int
    crashes_since: Instant | None
    restart_at: Instant | None
    failed: str | None = None
    """The reason why it is not restarted; then the loop fails."""


def decide_restart(
    end: ProcessEnd,
    *,
    crashes: int,
    crashes_since: Instant | None,
    now: Instant,
    restarts: RestartLimits,
    random: float,
) -> RestartDecision:
    """Restart immediately, after a delay, or not at all.

    A crash after a healthy run is followed by an immediate restart, others by one after a growing delay. More crashes
    within one period than the limit allows fail the loop.
    """
    if not end.is_crash:
        wait = WAITS.get(end.status or 0) if end.why is Why.EXITED else None
        restart_at = None if wait is None else after(now, jittered(wait, jitter=JITTER, random=random))
        return RestartDecision(crashes=crashes, crashes_since=crashes_since, restart_at=restart_at)
    # A clock that was set back must not keep a period open indefinitely.
    is_new = crashes_since is None or not 0 <= seconds_between(crashes_since, now) <= restarts.period
    crashes, since = (1, now) if is_new or crashes_since is None else (crashes + 1, crashes_since)
    if crashes > restarts.limit:
        times = f"{crashes} times in {_duration(seconds_between(since, now))}"
        return RestartDecision(
            crashes=crashes,
            crashes_since=since,
            restart_at=None,
            failed=f"its process crashed {times}, which is more than {restarts.limit}; last: {end.describe()}",
        )
    delay = 0.0
    if end.ran < restarts.healthy_after:
        delay = exponential(crashes - 1, base=restarts.delay, cap=restarts.cap)
    restart_at = after(now, jittered(delay, jitter=JITTER, random=random)) if delay else None
    return RestartDecision(crashes=crashes, crashes_since=since, restart_at=restart_at)


def _name(number: int | None) -> str:
    try:
        return signals.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
