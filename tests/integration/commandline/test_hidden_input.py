"""The terminal is as it was before, however the typing of a hidden text ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = "from ftl2_enterprise.commandline.hidden_input import read_hidden; print(read_hidden('key', longest=99))"


@pytest.fixture
def terminal() -> Iterator[int]:
    """The other end of a terminal, which is open as long as the test."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_it_with_a_terminal_that_shows_what_is_typed(terminal: int, number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", READS], stdin=terminal, stderr=subprocess.DEVNULL)
    until(lambda: not echoes(terminal))
    process.send_signal(number)
    assert process.wait(10) == -number
    assert echoes(terminal)
