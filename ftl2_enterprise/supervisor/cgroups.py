"""A cgroup for each child that has limits, below the one that the service manager delegated."""

from __future__ import annotations

import contextlib
import os

from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNT = "/sys/fs/cgroup"
CONTROLLERS = ("memory", "pids", "cpu")
PERIOD = 100_000
"""Microseconds over which the share of a processor is measured."""
_reported = {"memory.swap.max", "memory.oom.group"}
"""Files whose errors are not reported (again). Old kernels do not have the first two, which are refinements."""
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def find_delegated() -> str | None:
    """The directory below which this process may create cgroups, or None with a line in the log."""
    try:
        own = _own()
        # With DelegateSubgroup= root is in a cgroup below, so that the delegated one can pass controllers on.
        for directory in (os.path.dirname(own), own):  # noqa: PTH120 - pathlib is too large for root
            if _is_delegated(directory):
                _enable(directory, own)
                return directory
        reason = "none is delegated"
    except OSError as error:
        reason = f"{error.filename or 'it'}: {error.strerror}"
    except ValueError as error:
        reason = str(error)
    write_line(f"limits have no effect, because processes cannot get a cgroup: {reason}")
    return None


def _own() -> str:
    with open("/proc/self/cgroup", encoding="ascii") as file:  # noqa: PTH123 - see above
        for line in file:
            if line.startswith("0::"):
                path = MOUNT + line[3:].rstrip("\n").rstrip("/")
                if os.path.exists(f"{path}/cgroup.controllers"):  # noqa: PTH110 - see above
                    return path
    raise ValueError("there is no cgroup v2")


def _is_delegated(directory: str) -> bool:
    # The user root may write everywhere; systemd marks what it delegated.
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(directory, name) == b"1":
                return os.access(f"{directory}/cgroup.subtree_control", os.W_OK)
        except OSError:
            pass
    return False


def _enable(directory: str, own: str) -> None:
    if own == directory:
        # A cgroup with processes cannot pass controllers on, so this process moves down.
        own = f"{directory}/main"
        os.makedirs(own, exist_ok=True)  # noqa: PTH103 - see above
        _write(f"{own}/cgroup.procs", "0")
    with open(f"{directory}/cgroup.controllers", encoding="ascii") as file:  # noqa: PTH123 - see above
        there = file.read().split()
    for controller in CONTROLLERS:
        if controller in there:
            _write(f"{directory}/cgroup.subtree_control", f"+{controller}")


def make(base: str, key: str, limits: Mapping[str, object]) -> str:
    """Create the cgroup of a child with its limits; returns its directory. Raises OSError and ValueError."""
    path = f"{base}/{key.replace(':', '-').replace('/', '_')}"
    remove(path)  # so that its counters begin at zero
    os.makedirs(path, exist_ok=True)  # noqa: PTH103 - see above
    for name, value in settings(limits).items():
        try:
            _write(f"{path}/{name}", value)
        except OSError as error:
            # Without its controller a limit has no effect, but that is no reason not to start the child.
            if name not in _reported:
                _reported.add(name)
                write_line(f"cannot limit {key} and others: {name}: {error.strerror}", WARNING)
    return path


def settings(limits: Mapping[str, object]) -> dict[str, str]:
    """The contents of the files of a cgroup. Raises ValueError for an invalid limit."""
    found: dict[str, str] = {}
    if memory := limits.get("memory"):
        found |= {"memory.max": str(_bytes(str(memory))), "memory.swap.max": "0", "memory.oom.group": "1"}
    if cpu := limits.get("cpu"):
        share = float(str(cpu).strip().removesuffix("%"))
        found["cpu.max"] = f"{max(int(share * PERIOD / 100), 1000)} {PERIOD}"
    if pids := limits.get("pids"):
        found["pids.max"] = str(int(str(pids)))
    return found


def _bytes(text: str) -> int:
    text = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = UNITS.get(text[-1:], 1)
    return int(float(text[:-1] if unit > 1 else text) * unit)


def join(path: str) -> None:
    """Move this process into the cgroup. Raises OSError."""
    _write(f"{path}/cgroup.procs", "0")


def ran_out_of_memory(path: str) -> bool:
    """Whether the kernel killed a process of the cgroup because of its memory limit."""
    try:
        with open(f"{path}/memory.events", encoding="ascii") as file:  # noqa: PTH123 - see above
            counts = dict(line.split() for line in file)
    except (OSError, ValueError):
        return False
    return int(counts.get("oom_kill", "0")) > 0


def remove(path: str) -> None:
    """Remove a cgroup. If it is still in use it stays, and is used by the next process of its key."""
    with contextlib.suppress(OSError):
        os.rmdir(path)  # noqa: PTH106 - see above


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
