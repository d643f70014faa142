"""Memory and processor time of processes, measured in the same way for all supervisors."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TICK = os.sysconf("SC_CLK_TCK")


class Ready:
    """A socket to which children report that they run."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ready.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(str(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next(self, limit: float) -> tuple[str, int]:
        """Key and pid of the next child that reports. Raises TimeoutError."""
        self._socket.settimeout(limit)
        key, pid = self._socket.recv(256).decode().split()
        return key, int(pid)

    def all(self, count: int, limit: float) -> dict[str, int]:
        """The first `count` children."""
        until = time.monotonic() + limit
        found: dict[str, int] = {}
        while len(found) < count:
            key, pid = self.next(max(0.001, until - time.monotonic()))
            found[key] = pid
        return found


def until(condition: Callable[[], bool], limit: float, what: str) -> None:
    """Wait for the condition. Raises TimeoutError with its description."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


def memory(pid: int) -> dict[str, float]:
    """Megabytes: rss, pss, uss."""
    values = dict.fromkeys(("Rss", "Pss", "Private_Clean", "Private_Dirty"), 0.0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in values:
            values[name] = int(rest.split()[0]) / 1024
    return {
        "rss": values["Rss"],
        "pss": values["Pss"],
        "uss": values["Private_Clean"] + values["Private_Dirty"],
    }


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used."""
    total = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found
