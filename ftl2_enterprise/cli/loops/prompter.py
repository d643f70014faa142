"""Answers the prompts of a loop that runs in this process: a person at the terminal, or defaults."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import termios
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, TextIO

from ftl2_enterprise.commandline.hidden_input import require_whole, without_echo
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.ports import UNATTENDED
from ftl2_enterprise.protocol.loops.answers import resolve
from ftl2_enterprise.protocol.loops.nouns import PromptKind
from ftl2_enterprise.render.loops.approvals import approval_lines, consequences
from ftl2_enterprise.render.loops.prompts import choices, expires, numbered, question
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.cli.loops.progress import Progress
    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.colour import Painter


def user_name() -> str:
    """The user of this process, as recorded with an answer."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def is_asked_here() -> bool:
    """Whether standard input is a terminal."""
    return is_terminal(sys.stdin)


class NonInteractivePeople:
    """Asks no user: the default applies, or else the first option; without either, the loop waits."""

    name: str = "default"

    async def ask(self, prompt: Prompt) -> str | None:
        """The default or the first option; None without either. Actions are never approved without a person."""
        if prompt.kind is PromptKind.APPROVAL:
            return UNATTENDED
        if prompt.default is not None:
            return prompt.default
        return prompt.options[0] if prompt.options else None


class TerminalPeople:
    """Asks on the terminal of this process, or reads answers as lines from its standard input."""

    def __init__(self, painter: Painter, progress: Progress, lines: LineReader | None = None) -> None:
        self.name: str = user_name()
        self._painter = painter
        self._progress = progress
        self._lines = lines or LineReader(sys.stdin)
        self.lookup_approval: Callable[[Prompt], ApprovalDetail | None] = lambda prompt: None
        """What a prompt asks people to approve."""
        progress.narrator.with_questions = False

    async def ask(self, prompt: Prompt) -> str | None:
        """A valid answer, asked for until it is valid; None at the end of the input."""
        with self._progress.suspended():
            self._show(prompt)
            self._lines.forget()
            while True:
                if self._lines.is_terminal:
                    self._painter.stream.write(self._invitation(prompt))
                    self._painter.stream.flush()
                try:
                    text = await self._lines.read(hidden=prompt.secret)
                except Problem as problem:
                    self._leave()
                    self._lines.forget()
                    self._painter.print(line((problem.message, Role.WARNING), f"; {problem.hint}", indent=2))
                    continue
                except asyncio.CancelledError:
                    self._leave()
                    raise
                if text is None or prompt.secret:
                    # What ended the input was not shown.
                    self._leave()
                if text is None:
                    return None
                if not text.strip() and prompt.default is not None:
                    return prompt.default
                try:
                    return resolve(prompt, text)
                except Problem as problem:
                    self._painter.print(line((problem.message, Role.WARNING), f"; {problem.hint}", indent=2))

    def _leave(self) -> None:
        """End the line of the invitation, so that output continues on the next one."""
        if self._lines.is_terminal:
            with suppress(OSError):
                self._painter.stream.write("\n")
                self._painter.stream.flush()

    def _show(self, prompt: Prompt) -> None:
        lines = question(prompt.id, prompt.question, numbered(prompt), prompt.default)
        approval = self.lookup_approval(prompt)
        if approval is not None:
            lines[1:1] = approval_lines(approval)
        lines += expires(prompt, SystemClock().now(), indent=4)
        if prompt.kind is PromptKind.APPROVAL:
            lines += consequences()
        if prompt.context and approval is None:
            lines.insert(1, line((one_line(prompt.context, 400), Role.FAINT), indent=4))
        self._painter.print(lines)

    def _invitation(self, prompt: Prompt) -> str:
        default = f", Enter for {one_line(prompt.default, 60)}" if prompt.default is not None else ""
        return f"  answer ({choices(prompt)}{default}): "


class LineReader:
    """Reads lines without a thread, so that a question can be withdrawn and no thread keeps the process alive."""

    def __init__(self, stream: TextIO | None) -> None:
        self._descriptor = -1 if stream is None else stream.fileno()
        self._buffer = b""
        self._ended = False

    @property
    def is_terminal(self) -> bool:
        """Whether the input is typed."""
        return self._descriptor >= 0 and os.isatty(self._descriptor)

    def forget(self) -> None:
        """Drop what was typed before the question was shown, because it was not meant as an answer."""
        if self.is_terminal:
            self._buffer = b""
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    async def read(self, *, hidden: bool = False) -> str | None:
        """The next line without its line break; None at the end of input; after Ctrl-D a terminal has more.

        `hidden`: a terminal does not show what is typed.
        """
        self._ended = self._descriptor < 0
        with without_echo(self._descriptor) if hidden and self.is_terminal else nullcontext():
            while b"\n" not in self._buffer and not self._ended:
                await self._readable()
                self._take()
            if hidden and self.is_terminal:
                require_whole(self._descriptor, len(self._buffer))
        if b"\n" in self._buffer:
            taken, _, self._buffer = self._buffer.partition(b"\n")
        else:
            taken, self._buffer = self._buffer, b""
            if not taken:
                return None
        return taken.decode("utf-8", "replace").rstrip("\r")

    def _take(self) -> None:
        try:
            data = os.read(self._descriptor, 4096)
        except OSError:
            # The terminal was closed.
            data = b""
        self._buffer += data
        self._ended = not data

    async def _readable(self) -> None:
        running = asyncio.get_running_loop()
        ready: asyncio.Future[None] = running.create_future()
        try:
            running.add_reader(self._descriptor, _settle(ready))
        except PermissionError:
            # A regular file is always readable; epoll refuses it.
            return
        try:
            await ready
        finally:
            running.remove_reader(self._descriptor)


def _settle(ready: asyncio.Future[None]) -> Callable[[], None]:
    def settle() -> None:
        if not ready.done():
            ready.set_result(None)

    return settle
