"""Waits for a condition, never for a duration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def until[T](condition: Callable[[], T | None], *, seconds: float = 30.0, every: float = 0.01) -> T:
    """What the condition returns once it is true, checked at that interval; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {_named(condition)}"
        time.sleep(every)
    return value


def _named(condition: Any) -> str:
    return getattr(condition, "__qualname__", repr(condition))
