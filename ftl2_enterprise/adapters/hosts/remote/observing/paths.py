"""One path of a host: its kind, its permissions and, if it is a regular file, its content."""

from __future__ import annotations

import grp
import hashlib
import os
import stat

from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve
from ftl2_enterprise.adapters.hosts.remote.observing.processes import user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_HASHED = 1 << 30
"""Bytes of a file whose digest is computed without a request for it."""
MOST_ENTRIES = 1000
_CHUNK = 1 << 20
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFBLK: "block device", stat.S_IFCHR: "character device",
}  # fmt: skip
_OF_KERNEL = frozenset(["proc", "sysfs", "debugfs", "tracefs", "securityfs", "configfs", "pstore", "efivarfs"])
"""Types of file systems in which reading a file can have an effect, as of /proc/kmsg, or can show secrets."""
_KERNEL_FILES = ("/proc/sys/", "/sys/class/", "/sys/devices/", "/sys/block/", "/sys/module/", "/sys/fs/cgroup/")
_KERNEL_NAMES = frozenset(
    f"/proc/{name}" for name in (
        "cmdline", "cpuinfo", "filesystems", "loadavg", "mdstat", "meminfo", "modules", "mounts", "partitions",
        "stat", "swaps", "uptime", "version", "vmstat",
    )
)  # fmt: skip


def path(given: dict[str, Any]) -> dict[str, Any]:
    """What is at a path. Raises CannotObserve, also when content is requested that this user may not read."""
    name = os.path.expanduser(given["path"])  # noqa: PTH111
    if not name.startswith("/"):
        raise CannotObserve(f"cannot observe {given['path']}: this host has no such user")
    link = _link(name)
    try:
        opened = os.open(name, os.O_PATH | os.O_CLOEXEC | (0 if given["follow"] else os.O_NOFOLLOW))
    except (FileNotFoundError, NotADirectoryError):
        return {"path": name, "exists": False, "link": link}
    except OSError as error:
        raise CannotObserve(f"cannot observe {name}: {error.strerror}") from None
    try:
        return _describe(opened, name, given, link)
    finally:
        os.close(opened)


def _describe(opened: int, name: str, given: dict[str, Any], link: str | None) -> dict[str, Any]:
    now = os.fstat(opened)
    kind = _KINDS.get(stat.S_IFMT(now.st_mode), "unknown")
    found: dict[str, Any] = {
        "path": name,
        "exists": True,
        "kind": kind,
        "mode": f"{stat.S_IMODE(now.st_mode):04o}",
        "owner": user_name(now.st_uid),
        "group": _group_name(now.st_gid),
        "uid": now.st_uid,
        "gid": now.st_gid,
        "size": now.st_size,
        "modified": iso(now.st_mtime),
        "link": link,
    }
    if given["entries"]:
        found |= _entries(opened, name, kind)
    if given["content"] and kind != "file":
        raise CannotObserve(f"cannot read {name}: it is a {kind}")
    if kind == "file":
        found |= _content(opened, name, now, given)
    return found


def paths(given: dict[str, Any]) -> dict[str, Any]:
    """The kinds, owners and permissions of many paths, and digests of the files among them that are requested.

    A path that does not exist is null; one that this user may not examine has only `hidden`.
    """
    hashed = set(given["sha256"])
    return {"paths": {name: _examine(name, hashed=name in hashed) for name in given["paths"]}}


def _examine(name: str, *, hashed: bool) -> dict[str, Any] | None:
    try:
        own = os.lstat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return {"hidden": True}
    found = _status(own)
    if stat.S_ISLNK(own.st_mode):
        found["link"] = _link(name)
    try:
        opened = os.open(name, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return {**found, "real": None}
    try:
        real = os.fstat(opened)
        found["real"] = _status(real)
        if hashed and stat.S_ISREG(real.st_mode):
            found |= _content(opened, name, real, {"content": 0, "sha256": True})
    except CannotObserve:
        found["sha256"] = None
    finally:
        os.close(opened)
    return found


def _status(now: os.stat_result) -> dict[str, Any]:
    return {
        "mode": now.st_mode, "owner": user_name(now.st_uid), "group": _group_name(now.st_gid), "uid": now.st_uid,
        "gid": now.st_gid,
    }  # fmt: skip


def _link(name: str) -> str | None:
    try:
        return os.readlink(name)  # noqa: PTH115
    except OSError:
        return None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _entries(opened: int, name: str, kind: str) -> dict[str, Any]:
    if kind != "directory":
        raise CannotObserve(f"cannot list {name}: it is a {kind}")
    try:
        names = sorted(os.listdir(f"/proc/self/fd/{opened}"))  # noqa: PTH208
    except OSError as error:
        raise CannotObserve(f"cannot list {name}: {error.strerror}") from None
    return {"count": len(names), "entries": names[:MOST_ENTRIES]}


def _content(opened: int, name: str, now: os.stat_result, given: dict[str, Any]) -> dict[str, Any]:
    """The digest and the beginning of a regular file, as far as they are requested."""
    limit, digest = given["content"], given["sha256"]
    kernel = _type_of(now.st_dev) in _OF_KERNEL
    if kernel and (limit or digest) and not _is_plain(opened):
        raise CannotObserve(f"cannot read {name}: the kernel may change its state when it is read")
    hashed = digest if digest is not None else not kernel and now.st_size <= MOST_HASHED
    if not hashed and not limit:
        return {"sha256": None}
    try:
        # The file that was examined is opened, whatever has its name by now, and it is known to be a regular one.
        with open(f"/proc/self/fd/{opened}", "rb", buffering=0) as file:  # noqa: PTH123
            return _read(file, limit, hashed=hashed)
    except OSError as error:
        if limit or digest:
            raise CannotObserve(f"cannot read {name}: {error.strerror}") from None
        return {"sha256": None}


def _read(file: Any, limit: int, *, hashed: bool) -> dict[str, Any]:
    digest, kept, total = hashlib.sha256(), bytearray(), 0
    while chunk := file.read(_CHUNK):
        total += len(chunk)
        if len(kept) <= limit:
            kept += chunk[: limit + 1 - len(kept)]
        if hashed:
            digest.update(chunk)
        elif len(kept) > limit:
            break
    found: dict[str, Any] = {"sha256": digest.hexdigest() if hashed else None}
    if limit:
        found["content"] = bytes(kept[:limit]).decode("utf-8", "replace")
        found["truncated"] = len(kept) > limit
    return found


def _is_plain(opened: int) -> bool:
    """Whether a file of the kernel is one that only shows a value."""
    real = os.readlink(f"/proc/self/fd/{opened}")  # noqa: PTH115
    return real in _KERNEL_NAMES or real.startswith(_KERNEL_FILES)


def _type_of(device: int) -> str:
    """The type of the file system with that device number (proc_pid_mountinfo(5))."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        for line in file:
            before, _, after = line.partition(" - ")
            if before.split()[2] == number:
                return after.split()[0]
    return ""
