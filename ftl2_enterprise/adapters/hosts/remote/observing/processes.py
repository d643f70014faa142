"""Processes of a host, from /proc (proc(5)). Passwords in command lines are hidden."""

from __future__ import annotations

import fnmatch
import os
import pwd
import re

from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMAND_LIMIT = 500
"""Characters of a command line."""
HIDDEN = "***"
_WORDS = r"(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key|auth)"
_ASSIGNED = re.compile(rf"(?i)^(-{{0,2}}[\w.-]*{_WORDS}[\w.-]*[=:]).+$", re.DOTALL)
_OPTION = re.compile(rf"(?i)^--?[\w.-]*{_WORDS}[\w.-]*$")
_IN_URL = re.compile(r"(://[^/\s:@]*:)[^@\s/]+@")
_HEADER = re.compile(r"(?i)^(authorization|proxy-authorization|cookie|x-[\w-]*(?:key|token))\s*:.*$", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def processes(given: dict[str, Any]) -> dict[str, Any]:
    """The processes that match, by process id. Raises CannotObserve where those of others are hidden."""
    if not os.path.exists("/proc/1/stat"):  # noqa: PTH110
        raise CannotObserve("cannot observe the processes: /proc shows this user only its own")
    own = {os.getpid(), os.getppid()}
    booted = boot_time()
    found: list[dict[str, Any]] = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208
        one = None if pid in own else read(pid, booted)
        if one is not None and _matches(one, given):
            found.append(one)
    return {"count": len(found), "processes": found[: given["limit"]]}


def read(pid: int, booted: float) -> dict[str, Any] | None:
    """One process; None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            before, _, after = file.read().rpartition(b")")
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            words = file.read(1 << 16).split(b"\0")
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return None
    fields = after.split()
    name = before.partition(b"(")[2].decode("utf-8", "replace")
    started = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    command = cleaned([word.decode("utf-8", "replace") for word in words if word])
    return {
        "pid": pid,
        "parent": int(fields[1]),
        "name": _CONTROL.sub("?", name),
        "state": fields[0].decode(),
        "user": user_name(uid),
        "memory": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        "started": iso(started),
        "command": command or f"[{_CONTROL.sub('?', name)}]",
    }


def cleaned(words: list[str]) -> str:
    """A command line of limited length, without control characters and without passwords that can be recognized."""
    shown: list[str] = []
    hide = False
    for word in words:
        if hide:
            shown.append(HIDDEN)
            hide = False
            continue
        hide = bool(_OPTION.match(word))
        text = _ASSIGNED.sub(rf"\1{HIDDEN}", word)
        text = _HEADER.sub(rf"\1: {HIDDEN}", text)
        shown.append(_IN_URL.sub(rf"\1{HIDDEN}@", text))
    line = _CONTROL.sub("?", " ".join(shown))
    return line if len(line) <= COMMAND_LIMIT else f"{line[: COMMAND_LIMIT - 3]}..."


def boot_time() -> float:
    """When the kernel started, in seconds since 1970."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123
        return next((float(line.split()[1]) for line in file if line.startswith("btime ")), 0.0)


def user_name(uid: int) -> str:
    """The name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _matches(one: dict[str, Any], given: dict[str, Any]) -> bool:
    program = one["command"].partition(" ")[0].rpartition("/")[2]
    # The kernel keeps 15 bytes of a name (TASK_COMM_LEN).
    names = {one["name"], program}
    return (
        (given["name"] is None or given["name"] in names)
        and (given["pattern"] is None or fnmatch.fnmatchcase(one["command"], given["pattern"]))
        and given["user"] in (None, one["user"])
    )
