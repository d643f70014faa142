"""Named points at which a test may end, fail or stall the process.

Inert unless FTL2_ENTERPRISE_FAULT names a point: `POINT[#N]=kill|raise|stall[:SECONDS]`, where N counts the times the
point was reached (1 by default). `kill` is SIGKILL to this very process, so no clean-up is executed. With the suffix
`@PATH`, only the process that creates this file does it; one that stalls continues when the file is removed. Several
faults are separated by `;`.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from enum import StrEnum

VARIABLE = "FTL2_ENTERPRISE_FAULT"
LONGEST_STALL = 3600.0
"""Seconds."""


class FaultPoint(StrEnum):
    """The points of the machinery; a capability has its own, in `NAME/fault_points.py`."""

    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    WRITER_TOOK = "writer-took"
    WRITER_UNIT_DONE = "writer-unit-done"
    WRITER_COMMITTED = "writer-committed"
    WRITER_ACKNOWLEDGED = "writer-acknowledged"
    FREEZE_UNFINISHED = "freeze-unfinished"
    FREEZE_WRITTEN = "freeze-written"
    FREEZE_RECORDED = "freeze-recorded"
    THAW_WRITTEN = "thaw-written"
    FREEZE_REMOVED = "freeze-removed"
    THAW_RECORDED = "thaw-recorded"


class InjectedFault(Exception):
    """What `raise` raises; nothing in the product catches it by name."""


_reached: Counter[StrEnum] = Counter()


def reach(point: StrEnum) -> None:
    """Mark that the process is at the point; does nothing unless a test requested a fault here."""
    requested = os.environ.get(VARIABLE)
    if requested is None:
        return
    named = [
        fault.partition("=") for fault in requested.split(";") if fault.partition("=")[0].partition("#")[0] == point
    ]
    if not named:
        return
    _reached[point] += 1
    for where, _, what in named:
        if _reached[point] == int(where.partition("#")[2] or 1):
            _strike(point, what)


def _strike(point: StrEnum, what: str) -> None:
    deed, _, once = what.partition("@")
    if once and not _is_first(once):
        return
    deed, _, seconds = deed.partition(":")
    match deed:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stall":
            until = time.monotonic() + float(seconds or LONGEST_STALL)
            while time.monotonic() < until and (not once or os.path.exists(once)):  # noqa: PTH110 - a text
                time.sleep(min(0.02, until - time.monotonic()) if once else until - time.monotonic())
        case _:
            raise InjectedFault(point)


def _is_first(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
