"""Reads a text that no one else may see, such as a secret, from the terminal or from standard input."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

STANDARD_INPUT = "-"
"""The argument that stands for what standard input has."""
_LONGEST_LINE = 4095
"""Bytes of a line with its break; of a longer one a terminal passes on only the beginning (termios(3))."""
_PIPE = "pipe it: write - in place of the answer"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)
_BYTES = 4
"""Maximum number of bytes of a character."""


def read_hidden(what: str, *, longest: int) -> str:
    """What standard input has: what is piped, or a line of the terminal, which does not show it. Raises Problem.

    `longest`: characters; of a longer text there are more than these.
    """
    # A program may be started with its streams closed.
    if sys.stdin is None:
        raise invalid(f"cannot read the {what}: standard input is closed", "pipe it into the command")
    with without_echo(sys.stdin.fileno()):
        if sys.stdin.isatty():
            sys.stderr.write(f"{what} (not shown): ")
            sys.stderr.flush()
            body = sys.stdin.buffer.readline(_BYTES * (longest + 2))
            sys.stderr.write("\n")
            require_whole(sys.stdin.fileno(), len(body))
        else:
            body = sys.stdin.buffer.read(_BYTES * (longest + 2))
    try:
        return body.decode()
    except UnicodeDecodeError:
        # Without its cause, which quotes the bytes that cannot be decoded.
        raise invalid(f"cannot read the {what}: standard input is not UTF-8 text") from None


def require_whole(descriptor: int, size: int) -> None:
    """Raises Problem(invalid) if the line of that many bytes is not all that was typed or pasted."""
    if size > _LONGEST_LINE:
        raise invalid("cannot take this line from the terminal, which cuts long ones", _PIPE)
    if select.select([descriptor], [], [], 0)[0]:
        # The rest would be read by the next program, such as a shell, which executes it.
        termios.tcflush(descriptor, termios.TCIFLUSH)
        raise invalid("cannot take several lines from the terminal", _PIPE)


@contextlib.contextmanager
def without_echo(descriptor: int) -> Generator[None]:
    """What is typed on the terminal is not shown. Nothing happens if the descriptor is no terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    hidden = [*before]
    hidden[3] &= ~termios.ECHO

    def restore(when: int = termios.TCSADRAIN) -> None:
        termios.tcsetattr(descriptor, when, before)

    # The beginning of a secret must not be read by the next program, such as a shell, which would show it.
    def hide() -> None:
        # What was typed before was not meant as a secret.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, hidden)

    with _interrupted(lambda: restore(termios.TCSAFLUSH), hide):
        hide()
        try:
            yield
        except BaseException:
            restore(termios.TCSAFLUSH)
            raise
        restore()


@contextlib.contextmanager
def _interrupted(before: Callable[[], None], after: Callable[[], None]) -> Generator[None]:
    """Act before a signal that the program does not handle ends or stops this process, and after it continues."""

    def end(number: int, _: object) -> None:
        before()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def stop(number: int, _: object) -> None:
        end(number, None)
        # The process has been continued.
        signal.signal(number, stop)
        after()

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can set handlers.
        yield
        return
    handlers = {**dict.fromkeys(_ENDING, end), signal.SIGTSTP: stop}
    handled = [one for one in handlers if signal.getsignal(one) is signal.SIG_DFL]
    for one in handled:
        signal.signal(one, handlers[one])
    try:
        yield
    finally:
        for one in handled:
            signal.signal(one, signal.SIG_DFL)
