"""The terminal is as it was before, however the typing of a hidden text ends."""

from __future__ import annotations

import array
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = "from ftl2_enterprise.commandline.hidden_input import read_hidden; print(read_hidden('key', longest=99))"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def pending(terminal: int) -> int:
    """Bytes that a program could read now: those of whole lines."""
    found = array.array("i", [0])
    fcntl.ioctl(terminal, termios.FIONREAD, found)
    return found[0]


def echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_it_with_a_terminal_that_shows_what_is_typed(terminal: tuple[int, int], number: int) -> None:
    ours, theirs = terminal
    process = subprocess.Popen([sys.executable, "-c", READS], stdin=theirs, stderr=subprocess.DEVNULL)
    until(lambda: not echoes(theirs))
    os.write(ours, b"half of a sec")
    until(lambda: pending(theirs) == 0)
    process.send_signal(number)
    assert process.wait(10) == -number
    assert echoes(theirs)
    # The next program gets nothing of it, also when the line is ended.
    os.write(ours, b"\n")
    until(lambda: pending(theirs))
    assert os.read(theirs, 100) == b"\n"


def test_nothing_is_shown_after_it_was_stopped_and_continued(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    with subprocess.Popen(
        # The kernel stops no process of a group that has no relative outside.
        [sys.executable, "-c", READS],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        until(lambda: not echoes(theirs))
        process.send_signal(signal.SIGTSTP)
        until(lambda: echoes(theirs))
        until(lambda: state_of(process.pid) == "T")
        process.send_signal(signal.SIGCONT)
        until(lambda: not echoes(theirs))
        os.write(ours, b"secret\n")
        assert process.communicate(timeout=10)[0].strip() == b"secret"
    assert echoes(theirs)


def state_of(pid: int) -> str:
    """As proc_pid_stat(5) has it: `T` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
