"""Finds and kills the descendants of a process.

Root is the subreaper of the tree, and each of its children is the subreaper of its descendants: what a dead child
leaves becomes a child of root, whatever session or process group it is in. A child of root that is not in the table
is therefore a leftover, unless finished work left it on purpose: a daemon that it started.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

CALL_MARK = b"FTL2_MODULE_CALL="
"""In the environment of every process that a module call starts (adapters, in `server.py`)."""


def children_of(pid: int) -> list[int]:
    """The direct children of a process, zombies included."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib is too large for root
        found: list[int] = []
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123 - see above
                found += map(int, file.read().split())
    except FileNotFoundError:
        # The process has ended, or the kernel is configured without that file.
        return _scan(pid) if os.path.exists(f"/proc/{pid}") else []  # noqa: PTH110 - see above
    except OSError:
        return []
    return found


def _scan(parent: int) -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - see above
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - see above
                    # The name of a command may contain brackets and spaces (proc(5)).
                    if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                        found.append(int(name))
            except (OSError, ValueError, IndexError):
                pass
    return found


def below(pids: set[int], without: Collection[int] = ()) -> set[int]:
    """The processes and their descendants, except some processes with theirs."""
    found: set[int] = set()
    queue = list(pids)
    while queue:
        pid = queue.pop()
        if pid not in found and pid not in without:
            found.add(pid)
            queue += children_of(pid)
    return found


def is_left_on_purpose(pid: int) -> bool:
    """Whether a finished module call started the process; those of a running call are below the call's supervisor.

    A process that may not be inspected runs as another user, and root may not end it.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - see above
            return any(entry.startswith(CALL_MARK) for entry in file.read().split(b"\0"))
    except PermissionError:
        # An ended process that is not reaped yet belongs to the superuser, as whichever user it ran.
        return not _has_ended(pid)
    except OSError:
        return False


def _has_ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - see above
            return file.read().rpartition(b")")[2].split()[0] in {b"Z", b"X"}
    except (OSError, IndexError):
        return True


def kill(pids: set[int], without: Collection[int] = ()) -> None:
    """Kill the trees of these processes, as far as they are visible now; repeat this until none is left."""
    stopped: set[int] = set()
    # A program that forks without end would be faster than the scan, so its processes are stopped first.
    for _ in range(8):
        fresh = below(pids, without) - stopped
        if not fresh:
            break
        for pid in fresh:
            send(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in stopped:
        send(pid, signal.SIGKILL)


def send(pid: int, number: int) -> bool:
    """Send a signal; False when there is no such process."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
