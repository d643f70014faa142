"""Finds the processes of a service without asking it, and kills them so that it is known who has ended them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from tests.support.waiting import until

LIMIT = 10.0


def children(root: int) -> dict[str, list[int]]:
    """Pids of what lives below root by what it is: control, writer, forkserver, loop, or a spare with its parent."""
    found: dict[str, list[int]] = {"control": [], "writer": [], "forkserver": [], "loop": [], "spare": []}
    for pid in _children(root):
        kind = _kind(pid)
        if kind is not None:
            found[kind].append(pid)
    # What it has forked just now has its name until it gets its own one: the forkserver is the eldest.
    found["forkserver"] = sorted(found["forkserver"], key=_age)[:1]
    for forkserver in found["forkserver"]:
        found["spare"] += spare_of(forkserver)
    return found


def spare_of(forkserver: int) -> list[int]:
    """The parent of the child that waits for an order, and that child; either may not be there yet."""
    found = [pid for between in _children(forkserver) for pid in (between, *_children(between))]
    return [pid for pid in found if _kind(pid) == "spare"]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _kind(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name in {"control", "writer", "spare"}:
            return name
        if name.startswith("loop:"):
            return "loop"
        if name.startswith("python") and b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return "forkserver"
    return None


def _age(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 1 << 62


def kill(pid: int) -> bool:
    """kill -9; whether it was this that has ended the process."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # A signal to a process that has just ended is no error either: a stopped one cannot end on its own.
        signal.pidfd_send_signal(process, signal.SIGSTOP)
        state = until(lambda: _halted(pid), seconds=LIMIT)
        signal.pidfd_send_signal(process, signal.SIGKILL)
        gone, _, _ = select.select([process], [], [], LIMIT)
        assert gone, f"{pid} does not end"
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return state == "T"


def _halted(pid: int) -> str:
    """T when it is halted, Z when it has ended, nothing as long as it is neither."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
    return state if state in "TZ" else "Z" if state == "X" else ""
