"""Finds and kills what the processes of the service have started, to the last of their descendants.

Root is the subreaper of the tree, and each child of it is the one of its own processes: what a dead child leaves
becomes root's own child, whatever session or group it has made for itself. So a child of root that is not in its
table is a leftover, unless an action that is over has left it on purpose: a daemon that it started.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

CALL_MARK = b"FTL2_MODULE_CALL="
"""In the environment of whatever a module call starts (see adapters/hosts/remote/server.py)."""


def children_of(pid: int) -> list[int]:
    """The direct children of a process, zombies included."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib is too large for root
        found: list[int] = []
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123 - see above
                found += map(int, file.read().split())
    except FileNotFoundError:
        # The process has ended, or the kernel was made without that file.
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
                    # The name of a command may hold brackets and blanks (proc(5)).
                    if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                        found.append(int(name))
            except (OSError, ValueError, IndexError):
                pass
    return found


def below(pids: set[int], sparing: Collection[int] = ()) -> set[int]:
    """The processes and everything below them, without some and what is below those."""
    found: set[int] = set()
    queue = list(pids)
    while queue:
        pid = queue.pop()
        if pid not in found and pid not in sparing:
            found.add(pid)
            queue += children_of(pid)
    return found


def is_left_by_an_action(pid: int) -> bool:
    """Whether a module call started the process; what a call has in flight is below the call's own supervisor.

    What may not be looked at was started with other rights, and is not root's to end.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - see above
            return any(entry.startswith(CALL_MARK) for entry in file.read().split(b"\0"))
    except PermissionError:
        return True
    except OSError:
        return False


def kill(pids: set[int], sparing: Collection[int] = ()) -> None:
    """Kill the trees of these processes as far as they can be seen now; to be repeated until none is left."""
    stopped: set[int] = set()
    # Stopping first keeps a program that forks for ever from outrunning the scan.
    for _ in range(8):
        fresh = below(pids, sparing) - stopped
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
