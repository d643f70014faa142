"""The messages between root and other processes: JSON objects that are identified by their `type`.

Control has the same messages as structs (`control/root_messages.py`), and a test compares them. Here they are built
and checked with the standard library alone.
"""

from __future__ import annotations

import math
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ftl2_enterprise.supervisor.root.child_table import ChildRecord

    type Message = dict[str, Any]

VERSION = 2
"""Changes when another version of the program would misunderstand a message. Then an upgrade in place is refused,
because the new root would talk to the old control. And a forkserver that is executed again from newer files refuses
the root; then nothing is forked until the service is restarted. Version 1, which had no number, is that of 0.1."""
OTHER_VERSION = 76
"""Exit status of a process that was started by a root with another VERSION (EX_PROTOCOL)."""

# --- to control --------------------------------------------------------------------------------------------------


def hello(header: Message, table: Sequence[Message], *, more: bool) -> Message:
    """The state that a new control starts from; with `more`, only a part of the table."""
    return {"type": "hello", **header, "table": list(table), "more": more}


def started(child: ChildRecord) -> Message:
    """A process was forked, or exists already."""
    return {"type": "started", "key": child.key, "pid": child.pid, "at": child.at}


def ended(child: ChildRecord, why: str) -> Message:
    """Nothing is left of a process."""
    status = child.status or 0
    signaled = os.WIFSIGNALED(status)
    return {
        "type": "ended", "key": child.key, "pid": child.pid, "at": child.at, "why": why,
        "status": None if signaled else os.WEXITSTATUS(status), "signal": os.WTERMSIG(status) if signaled else None,
        "ran": round(child.ended - child.started, 6), "text": None,
    }  # fmt: skip


def not_started(key: str, reason: str) -> Message:
    """A process could not be forked: it is reported like the end of one."""
    return {"type": "ended", "key": key, "pid": None, "at": None, "why": "not_started", "status": None,
            "signal": None, "ran": 0.0, "text": reason}  # fmt: skip


def drain() -> Message:
    """The service stops."""
    return {"type": "drain"}


def reload() -> Message:
    """The service manager requests that the settings are loaded again."""
    return {"type": "reload"}


def processes(lines: Sequence[Message]) -> Message:
    """A process of the supervisor was started or has ended."""
    return {"type": "processes", "processes": list(lines)}


def problem(text: str) -> Message:
    """What root found wrong; empty when it is resolved."""
    return {"type": "problem", "text": text}


def listen() -> Message:
    """Listen on the socket that comes with the message, too."""
    return {"type": "listen"}


# --- to the forkserver -------------------------------------------------------------------------------------------


def fork(
    key: str, argument: str, *, slot: int, cgroup: str | None, log: str | None, oom: int, descriptors: Sequence[str]
) -> Message:
    """Fork a child. The descriptors with these names come with the message."""
    return {"type": "fork", "key": key, "argument": argument, "slot": slot, "cgroup": cgroup, "log": log, "oom": oom,
            "descriptors": list(descriptors)}  # fmt: skip


# --- checks of what is received ------------------------------------------------------------------------------------


def start_of(message: Mapping[str, Any]) -> tuple[str, str, dict[str, object] | None, str | None]:
    """Key, argument, limits and log of a request to fork. Raises KeyError and TypeError."""
    limits: dict[str, object] | None = message["cgroup"]
    match message:
        case {"key": str(key), "argument": str(argument), "cgroup": dict() | None, "log": str() | None as log}:
            return key, argument, limits, log
        case _:
            raise TypeError("a field has another type")


def seconds_of(value: float) -> float:
    """A time that a timer can wait. Raises ValueError."""
    if not 0 <= value < math.inf:
        raise ValueError("the time is not valid")
    return float(value)
