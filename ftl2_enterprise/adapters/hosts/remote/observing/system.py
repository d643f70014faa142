"""The host itself: its names, system, memory and file systems, from /proc and os-release(5)."""

from __future__ import annotations

import os
import shlex
import socket

from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.processes import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WITHOUT_SPACE = frozenset(["squashfs", "iso9660", "overlay"])
"""Types of file systems that are always full, or show the space of another one, unless they are at `/`."""


def system(_: dict[str, Any]) -> dict[str, Any]:
    """What describes the host."""
    names = os.uname()
    with open("/proc/uptime", encoding="ascii") as file:  # noqa: PTH123
        uptime = float(file.read().split()[0])
    return {
        "hostname": socket.gethostname(),
        "kernel": names.release,
        "machine": names.machine,
        "os": _os_release(),
        "cpus": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "uptime": int(uptime),
        "booted": iso(boot_time()),
        "memory": _memory(),
        "filesystems": _filesystems(),
    }


def _os_release() -> dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                fields = dict(_assignment(line) for line in file if "=" in line and not line.startswith("#"))
        except OSError:
            continue
        return {
            "id": fields.get("ID", ""), "version": fields.get("VERSION_ID", ""), "like": fields.get("ID_LIKE", ""),
            "name": fields.get("PRETTY_NAME", ""),
        }  # fmt: skip
    return {"id": "", "version": "", "like": "", "name": ""}


def _assignment(line: str) -> tuple[str, str]:
    name, _, value = line.strip().partition("=")
    try:
        return name, "".join(shlex.split(value))
    except ValueError:
        return name, value


def _memory() -> dict[str, int]:
    """In bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)}
    fields = {"total": "MemTotal", "available": "MemAvailable", "swap_total": "SwapTotal", "swap_free": "SwapFree"}
    return {key: kib.get(name, 0) * 1024 for key, name in fields.items()}


def _filesystems() -> list[dict[str, Any]]:
    """Those on devices, and the one at `/`; sizes in bytes, as df(1) prints them."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        rows = [line.split() for line in file]
    for device, mount, kind, *_ in rows:
        where = mount.encode().decode("unicode_escape") if "\\" in mount else mount
        if where != "/" and (not device.startswith("/") or kind in _WITHOUT_SPACE or device in seen):
            continue
        try:
            space = os.statvfs(where)
        except OSError:
            continue
        seen.add(device)
        size, free = space.f_blocks * space.f_frsize, space.f_bfree * space.f_frsize
        available = space.f_bavail * space.f_frsize
        used = size - free
        found[where] = {
            "mount": where, "device": device, "type": kind, "size": size, "used": used, "available": available,
            "used_percent": -(-100 * used // (used + available)) if used + available else 0,
        }  # fmt: skip
    return list(found.values())
