"""Asks the user at the terminal: for confirmation, or for the answer to a question of a capability."""

from __future__ import annotations

import sys
import termios
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import msgspec

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Line, Role, line
from ftl2_enterprise.render.view import ViewReader

if TYPE_CHECKING:
    from ftl2_enterprise.render.colour import Painter


UNREAD = 0.5
"""Seconds in which a question cannot have been read: an Enter within them was typed for something else."""
SETTLED = "no answer is needed (Enter returns)"
"""The invitation once the question is settled."""


class TerminalQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose answer the user types. The capability that asks it declares which answers are valid."""

    subject: str
    """What it is about, such as `note:7`; see `Asker.has_shown`."""
    invitation: str
    """Shown before the typed answer."""
    options: tuple[str, ...] = ()
    """The answers to choose from, which are completed."""
    default: str | None = None
    """The answer for an empty line; without one, an empty line postpones the answer."""
    is_secret: bool = False
    """Whether what is typed must not be shown."""
    check: Callable[[str], str]
    """From the typed text to the answer. Raises Problem for an invalid one."""
    settled: Callable[[ViewReader], Line | None]
    """The notice that no answer is needed any more, as read from the service; None while one is. Raises Problem."""


class Silence(Enum):
    """Why there is no answer."""

    LATER = "later"
    """The user postponed it."""
    SETTLED = "settled"
    """The question was settled, and the user was notified."""


class Asker(Protocol):
    """The user at a terminal."""

    def confirms(self, question: str) -> bool:
        """Whether the user confirms; anything but yes is no."""
        ...

    def answer(self, question: TerminalQuestion) -> str | Silence:
        """A valid answer, asked for until it is valid; else why there is none."""
        ...

    def has_shown(self, subject: str) -> None:
        """A command has shown this subject: it need not be announced."""
        ...


class TerminalAsker:
    """Reads lines from standard input."""

    def __init__(self, out: Painter) -> None:
        self._out = out

    def confirms(self, question: str) -> bool:
        """Whether the user confirms."""
        return (self._read(f"{question} [y/N] ") or "").strip().lower() in {"y", "yes"}

    def answer(self, question: TerminalQuestion) -> str | Silence:
        """A valid answer, or why there is none."""
        if not question.is_secret:
            return until_valid(question, self._out, lambda: self._read(f"  {question.invitation}: "))
        from ftl2_enterprise.commandline.hidden_input import require_whole, without_echo  # noqa: PLC0415 - rarely needed

        def read() -> str | None:
            text = self._read(f"  {question.invitation}: ")
            if text:
                self._out.stream.write("\n")
                require_whole(sys.stdin.fileno(), len(text.encode()))
            return text

        with without_echo(sys.stdin.fileno()):
            return until_valid(question, self._out, read)

    def has_shown(self, subject: str) -> None:
        """Nothing is announced here."""

    def _read(self, invite: str) -> str | None:
        forget_typed()
        self._out.stream.write(invite)
        self._out.stream.flush()
        text = sys.stdin.readline()
        if not text:
            self._out.stream.write("\n")
            return None
        return text


def until_valid(
    question: TerminalQuestion,
    out: Painter,
    read: Callable[[], str | None],
    *,
    is_settled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> str | Silence:
    """Read until there is a valid answer. An empty line takes the default; without one it ends the question.

    `read` returns None at the end of the input.
    """
    asked_at = clock()
    while True:
        text = read()
        if is_settled():
            return Silence.SETTLED
        if text is None:
            return Silence.LATER
        if not text.strip() and question.default is not None and clock() - asked_at < UNREAD:
            out.print(
                line(
                    ("Enter came before the question could be read: press it again for the default", Role.WARNING),
                    indent=2,
                )
            )
            continue
        if not text.strip():
            return Silence.LATER if question.default is None else question.default
        try:
            return question.check(text)
        except Problem as problem:
            out.print(line((problem.message, Role.WARNING), f"; {problem.hint}" if problem.hint else "", indent=2))


def forget_typed() -> None:
    """Drop what was typed before the question appeared, because it was not meant as an answer."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def here(out: Painter) -> Asker | None:
    """The user at this program's terminal; None without one."""
    return TerminalAsker(out) if is_terminal(sys.stdin) and out.stream.isatty() else None
