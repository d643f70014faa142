"""Units of systemd, one or several, by `systemctl show` (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import calendar
import fnmatch
import re
import time

from ftl2_enterprise.adapters.hosts.remote.observing import programs
from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_OF_ONE = (
    "Id", "Description", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "MainPID", "NRestarts",
    "StateChangeTimestamp", "ExecMainStatus", "FragmentPath", "NeedDaemonReload",
)  # fmt: skip
_OF_SEVERAL = ("Id", "Description", "LoadState", "ActiveState", "SubState", "UnitFileState")
_TIME = re.compile(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC")


def unit(given: dict[str, Any]) -> dict[str, Any]:
    """The state of one unit. Raises CannotObserve."""
    name = given["name"]
    found = _show(_OF_ONE, name, purpose=f"cannot observe the unit {name}")
    if len(found) != 1 or "LoadState" not in found[0]:
        raise CannotObserve(f"cannot observe the unit {name}: systemctl printed no state of it")
    one = found[0]
    return {
        **_state(one),
        "result": one.get("Result", ""),
        "main_pid": _number(one.get("MainPID")) or None,
        "restarts": _number(one.get("NRestarts")),
        "exit_status": _number(one.get("ExecMainStatus")),
        "since": _moment(one.get("StateChangeTimestamp", "")),
        "file": one.get("FragmentPath") or None,
        "needs_reload": one.get("NeedDaemonReload") == "yes",
    }


def units(given: dict[str, Any]) -> dict[str, Any]:
    """The loaded units that match. Raises CannotObserve."""
    found = [_state(one) for one in _show(_OF_SEVERAL, "*", purpose="cannot observe the units") if one.get("Id")]
    chosen = sorted(
        (
            one for one in found
            if fnmatch.fnmatchcase(one["name"], given["pattern"])
            and given["state"] in (None, one["state"])
            and (given["type"] is None or one["name"].endswith(f".{given['type']}"))
        ),
        key=lambda one: str(one["name"]),
    )  # fmt: skip
    return {"count": len(chosen), "units": chosen[: given["limit"]]}


def _show(properties: Sequence[str], names: str, *, purpose: str) -> list[dict[str, str]]:
    arguments = ["show", "--no-pager", f"--property={','.join(properties)}", "--", names]
    done = programs.run("systemctl", arguments, purpose=purpose)
    if done.rc != 0:
        raise CannotObserve(f"{purpose}: {done.reason()}")
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in done.out.split("\n\n")
    ]
    return [block for block in blocks if block]


def _state(one: dict[str, str]) -> dict[str, Any]:
    load = one.get("LoadState", "")
    return {
        "name": one.get("Id", ""),
        "exists": load != "not-found",
        "description": one.get("Description", ""),
        "load": load,
        "state": one.get("ActiveState", ""),
        "sub_state": one.get("SubState", ""),
        "enabled": one.get("UnitFileState", ""),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _moment(text: str) -> str | None:
    """A time as systemctl prints it with TZ=UTC, in ISO 8601."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    return iso(calendar.timegm(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")))
