"""Exit statuses that do not depend on what a command is about; those above 63 follow BSD's sysexits."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command itself ended."""

    OK = 0
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFLICT = 75


MEANINGS: dict[Exit, str] = {
    Exit.USAGE: "wrong usage or bad input; nothing was changed",
    Exit.UNAVAILABLE: "unavailable: the disk is full, or the database is locked; try again later",
    Exit.INTERNAL: "internal error; the log file that is named has the details",
    Exit.CONFLICT: "conflict with another process, or with the present state",
}
