"""Exit statuses that commands of every capability share; those above 63 follow sysexits(3) of BSD."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Success, or why a command could not do its work."""

    OK = 0
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFLICT = 75


MEANINGS: dict[Exit, str] = {
    Exit.USAGE: "wrong usage or bad input; nothing was changed",
    Exit.UNAVAILABLE: "unavailable: the disk is full, or the database is locked; try again later",
    Exit.INTERNAL: "internal error; details are in the log file that the message names",
    Exit.CONFLICT: "conflict with another process, or with the current state",
}
