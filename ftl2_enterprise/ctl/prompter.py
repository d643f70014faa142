"""Who is asked when a command wants to know something."""

from __future__ import annotations

import sys
import termios
import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.render.loops.answers import resolve
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.colour import Painter


UNREAD = 0.5
"""Seconds in which nobody reads a question: an Enter so soon was meant for what stood there before."""
SETTLED = "no answer is needed (Enter goes back)"
"""What the line that takes an answer says once the prompt is settled."""


class Silence(Enum):
    """Why there is no answer."""

    LATER = "later"
    """The person does not want to give one now."""
    SETTLED = "settled"
    """None is wanted any more, and the person has been told."""


class Asker(Protocol):
    """A person at a terminal."""

    def confirms(self, question: str) -> bool:
        """Whether it is wanted; no is what silence means."""
        ...

    def answer(self, prompt: Prompt, loop: str) -> str | Silence:
        """A valid answer, asked again until it is one; else why there is none."""
        ...

    def has_shown(self, prompt_id: int) -> None:
        """A command has shown the prompt, so that nobody needs to be told of it."""
        ...


class TerminalAsker:
    """Reads lines from standard input."""

    def __init__(self, out: Painter) -> None:
        self._out = out

    def confirms(self, question: str) -> bool:
        """Whether the person says yes."""
        return (self._read(f"{question} [y/N] ") or "").strip().lower() in {"y", "yes"}

    def answer(self, prompt: Prompt, loop: str) -> str | Silence:
        """A valid answer."""
        return until_valid(prompt, self._out, lambda: self._read(f"  {invitation(prompt, loop)}: "))

    def has_shown(self, prompt_id: int) -> None:
        """Nobody is told of prompts here."""

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
    """Read until it is an answer. Nothing typed takes the default, or where there is none, ends it."""
    asked_at = clock()
    while True:
        text = read()
        if is_settled():
            return Silence.SETTLED
        if text is None:
            return Silence.LATER
        if not text.strip() and prompt.default is not None and clock() - asked_at < UNREAD:
            out.print(
                line(("that was too soon to be meant: Enter once more takes the default", Role.WARNING), indent=2)
            )
            continue
        if not text.strip():
            return Silence.LATER if prompt.default is None else prompt.default
        try:
            return resolve(prompt, text)
        except Problem as problem:
            out.print(line((problem.message, Role.WARNING), f"; {problem.hint}" if problem.hint else "", indent=2))


def invitation(prompt: Prompt, loop: str) -> str:
    """Which prompt is answered, as others may be announced above it, and what can be typed."""
    choice = f"1-{len(prompt.options)}" if prompt.options else "text"
    silent = "Enter for later"
    if prompt.default is not None:
        silent = f"Enter for {one_line(prompt.default, 60)}, Ctrl-C for later"
    return f"answer {prompt.id} of {one_line(loop, 40)} ({choice}, {silent})"


def forget_typed() -> None:
    """Drop what was typed before the question appeared: it was not meant as its answer."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def here(out: Painter) -> Asker | None:
    """Who sits at standard input."""
    # A program may be started with its standard input closed.
    reads = sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    return TerminalAsker(out) if reads and out.stream.isatty() else None
