"""How long what a loop has observed is current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import seconds_between

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant

LATE = 60.0
"""Seconds by which a check may be late before what is known about the loop is stale."""


def is_outdated(observed_at: Instant, interval: float, now: Instant) -> bool:
    """Whether a continuous loop with this interval has observed so long ago that its condition may be another one."""
    return seconds_between(observed_at, now) > 2 * interval + LATE
