"""The exit statuses of `ftl2ctl`, as its help and its reference list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import EXIT_STATUS, Code
from ftl2_enterprise.render.exit_status import of_capabilities
from ftl2_enterprise.render.terminal import INTERRUPTED

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.declaration import Command

CODES: dict[Code, str] = {
    Code.INVALID: "wrong usage or bad input; nothing was changed",
    Code.NOT_FOUND: "what the command names does not exist",
    Code.CONFLICT: "not possible in the current state, for example because a name is taken",
    Code.DENIED: "this user has no permission for it",
    Code.UNAVAILABLE: "the service or another machine is unreachable, or temporarily unable to work; try again later",
    Code.INTERNAL: "internal error; details are in the log of the service, or in the file that the message names",
}


def of(command: Command) -> list[tuple[str, str]]:
    """Statuses of the command that not every command has, as pairs of number and meaning."""
    waits = command.reports_outcome or any(option.reports_outcome for option in command.options)
    return of_followers() if waits else []


def of_followers() -> list[tuple[str, str]]:
    """The statuses of commands that wait for an outcome."""
    return [(str(status), meaning) for status, meaning in of_capabilities().items() if status]


def common() -> list[tuple[str, str]]:
    """The statuses of every command."""
    by_status: dict[int, list[str]] = {}
    for code, meaning in CODES.items():
        by_status.setdefault(EXIT_STATUS[code], []).append(meaning)
    shown = [(str(status), "; or ".join(meanings)) for status, meanings in sorted(by_status.items())]
    return [("0", "success"), *shown, (str(INTERRUPTED), "ended by Ctrl-C")]
