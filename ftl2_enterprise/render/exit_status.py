"""Exit statuses that commands of every capability share; those above 63 follow sysexits(3) of BSD.

A package of `render` may have a module `exit_status` with the `MEANINGS` of other statuses.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages

if TYPE_CHECKING:
    from collections.abc import Mapping


class Exit(IntEnum):
    """Success, or why a command could not do its work."""

    OK = 0
    USAGE = 2
    STOPPED = 6
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFLICT = 75
    NO_PERMISSION = 77


MEANINGS: dict[Exit, str] = {
    Exit.USAGE: "wrong usage or bad input; nothing was changed",
    Exit.STOPPED: "stopped by Ctrl-C",
    Exit.UNAVAILABLE: "unavailable: the disk is full, or the database is locked; try again later",
    Exit.INTERNAL: "internal error; details are in the log file that the message names",
    Exit.CONFLICT: "conflict with another process, or with the current state",
    Exit.NO_PERMISSION: "this user has no permission for it",
}


def of_capabilities() -> Mapping[int, str]:
    """The meanings of the statuses of every package."""
    found: dict[int, str] = {}
    for module in packages.modules_named("exit_status", among="ftl2_enterprise.render"):
        found |= {int(status): meaning for status, meaning in packages.load(module).MEANINGS.items()}
    return found
