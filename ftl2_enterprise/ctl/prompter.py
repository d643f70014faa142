"""Asks the user: for confirmation, or for the answer to a prompt."""

from __future__ import annotations

import sys
import termios
import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.colour import Painter


UNREAD = 0.5
"""Seconds in which a question cannot have been read: an Enter within them was typed for something else."""
SETTLED = "no answer is needed (Enter returns)"
"""The invitation once the prompt is settled."""


class Silence(Enum):
    """Why there is no answer."""

    LATER = "later"
    """The user postponed it."""
    SETTLED = "settled"
    """The prompt was settled, and the user was notified."""


class Asker(Protocol):
    """The user at a terminal."""

    def confirms(self, question: str) -> bool:
        """Whether the user confirms; anything but yes is no."""
        ...

    def answer(self, prompt: Prompt, loop: str) -> str | Silence:
        """A valid answer, asked for until it is valid; else why there is none."""
        ...

    def has_shown(self, prompt_id: int) -> None:
        """A command has shown the prompt: it need not be announced."""
        ...


class TerminalAsker:
    """Reads lines from standard input."""

    def __init__(self, out: Painter) -> None:
        self._out = out

    def confirms(self, question: str) -> bool:
        """Whether the user confirms."""
        return (self._read(f"{question} [y/N] ") or "").strip().lower() in {"y", "yes"}

    def answer(self, prompt: Prompt, loop: str) -> str | Silence:
        """A valid answer, or why there is none."""
        return until_valid(prompt, self._out, lambda: self._read(f"  {invitation(prompt, loop)}: "))

    def has_shown(self, prompt_id: int) -> None:
        """Prompts are not announced here."""

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
    prompt: Prompt,
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
        if not text.strip() and prompt.default is not None and clock() - asked_at < UNREAD:
            out.print(
                line(
                    ("Enter came before the question could be read: press it again for the default", Role.WARNING),
                    indent=2,
                )
            )
            continue
        if not text.strip():
            return Silence.LATER if prompt.default is None else prompt.default
        from ftl2_enterprise.protocol.loops.answers import resolve  # noqa: PLC0415 - a confirmation needs none

        try:
            return resolve(prompt, text)
        except Problem as problem:
            out.print(line((problem.message, Role.WARNING), f"; {problem.hint}" if problem.hint else "", indent=2))


def invitation(prompt: Prompt, loop: str) -> str:
    """The invitation, with what can be typed. It names the prompt, because others may be announced above it."""
    choice = f"1-{len(prompt.options)}" if prompt.options else "text"
    empty = "Enter for later"
    if prompt.default is not None:
        empty = f"Enter for {one_line(prompt.default, 60)}, Ctrl-C for later"
    return f"answer {prompt.id} of {one_line(loop, 40)} ({choice}, {empty})"


def forget_typed() -> None:
    """Drop what was typed before the question appeared, because it was not meant as an answer."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def here(out: Painter) -> Asker | None:
    """The user at this program's terminal; None without one."""
    return TerminalAsker(out) if is_terminal(sys.stdin) and out.stream.isatty() else None
