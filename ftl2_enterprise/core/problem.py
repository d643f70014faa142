"""Expected failures: a closed set of codes, a sentence that begins with "cannot", and a hint."""

from __future__ import annotations

from enum import StrEnum
from typing import override


class Code(StrEnum):
    """The kind of a failure; it determines the exit status."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


EXIT_STATUS: dict[Code, int] = {
    Code.INVALID: 2,
    Code.NOT_FOUND: 2,
    Code.CONFLICT: 75,
    Code.UNAVAILABLE: 69,
    Code.INTERNAL: 70,
    # Not 4, by which commands report what policy denies.
    Code.DENIED: 77,
}
"""Exit statuses of commands that failed; those above 63 are from sysexits.h."""


class Problem(Exception):
    """A failure that the user can understand; it never shows a traceback."""

    def __init__(self, code: Code, message: str, *, hint: str | None = None) -> None:
        if not message.startswith("cannot "):
            raise ValueError(f"a problem's message begins with 'cannot': {message!r}")
        super().__init__(message)
        self.code: Code = code
        self.message: str = message
        self.hint: str | None = hint

    @property
    def exit_status(self) -> int:
        """The exit status of a command that fails with this problem."""
        return EXIT_STATUS[self.code]

    @override
    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


def invalid(message: str, hint: str | None = None) -> Problem:
    """The input is not valid."""
    return Problem(Code.INVALID, message, hint=hint)


def not_found(message: str, hint: str | None = None) -> Problem:
    """The named thing does not exist."""
    return Problem(Code.NOT_FOUND, message, hint=hint)


def conflict(message: str, hint: str | None = None) -> Problem:
    """Another process holds or has changed the thing."""
    return Problem(Code.CONFLICT, message, hint=hint)


def unavailable(message: str, hint: str | None = None) -> Problem:
    """It may work later: a full disk, a locked database, an unreachable peer."""
    return Problem(Code.UNAVAILABLE, message, hint=hint)
