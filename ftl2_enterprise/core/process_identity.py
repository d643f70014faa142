"""Who holds a loop: a process, named so that a later process with the same pid is not mistaken for it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def current() -> str:
    """Name this process as `BOOT_ID:PID:START`."""
    pid = os.getpid()
    return f"{_boot_id()}:{pid}:{_start_time(pid)}"


def pid_of(owner: str) -> int:
    """The pid in an owner's name."""
    return int(owner.split(":")[1])


def is_alive(owner: str) -> bool:
    """Whether that very process still runs on this machine since this boot."""
    boot, _, process = owner.partition(":")
    pid, _, start = process.partition(":")
    return pid.isdigit() and boot == _boot_id() and _start_time(int(pid)) == start


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> str | None:
    try:
        # A process may call itself by any bytes.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The command's name may hold spaces and brackets; fields are counted from behind its last bracket (proc(5)).
    fields = stat[stat.rindex(")") + 2 :].split()
    # A zombie does nothing any more, but its row stays until its parent reaps it.
    return None if fields[0] in "ZX" else fields[19]
