"""Finds processes by a mark in their command line, as a user with `ps` would.

What is found is killed by many tests, so a text without a mark is refused: it may be in the command line of a process
that no test has started.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor.root import process_tree

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTER = itertools.count(1)
_MARK = re.compile(r"\d{4,}\.\d{7,}")


def mark() -> str:
    """A number of seconds for `sleep` that no other process sleeps for."""
    return f"{3000 + next(_COUNTER)}.{os.getpid():07d}"


def alive(text: str) -> list[int]:
    """Living processes, other than this one, with the text in their command line. The text must contain a mark."""
    assert _MARK.search(text), f"processes of others may have {text!r} in their command line"
    return sorted(_living(text) - {os.getpid()})


def below(root: int, text: str) -> list[int]:
    """Living descendants of a process with the text in their command line."""
    return sorted(process_tree.below({root}) & _living(text))


def _living(text: str) -> set[int]:
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            is_zombie = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            if text.encode() in words and not is_zombie:
                found.add(int(entry.name))
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
