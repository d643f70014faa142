"""Finds processes by a mark in their command line, as a user with `ps` would."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTER = itertools.count(1)


def mark() -> str:
    """A number of seconds for `sleep` that no other process sleeps for."""
    return f"{3000 + next(_COUNTER)}.{os.getpid():07d}"


def alive(text: str) -> list[int]:
    """Living processes, other than this one, with the text in their command line."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            zombie = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            if text.encode() in words and not zombie and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def until(condition: Callable[[], object], limit: float = 10.0) -> bool:
    """Whether the condition came true within the limit."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end(pids: list[int]) -> None:
    """Kill what a test left on purpose."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
