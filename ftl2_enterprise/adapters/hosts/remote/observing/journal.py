"""Entries of systemd's journal, by `journalctl` (systemd.journal-fields(7))."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from ftl2_enterprise.adapters.hosts.remote.observing import programs
from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import PRIORITIES, SECONDS, CannotObserve

MESSAGE_LIMIT = 2000
"""Characters of a message."""
_UTC = timezone(timedelta(0))
PURPOSE = "cannot read the journal"


def journal(given: dict[str, Any]) -> dict[str, Any]:
    """The last entries that match, oldest first. Raises CannotObserve, also where only some entries can be read."""
    arguments = ["--no-pager", "--output=json", f"--lines={given['lines']}"]
    if given["unit"] is not None:
        arguments.append(f"--unit={given['unit']}")
    if given["since"] is not None:
        arguments.append(f"--since=@{since(given['since'], now=time.time())}")
    if given["priority"] is not None:
        arguments.append(f"--priority={given['priority']}")
    done = programs.run("journalctl", arguments, purpose=PURPOSE)
    if done.rc != 0:
        raise CannotObserve(f"{PURPOSE}: {done.reason()}")
    entries = [_entry(json.loads(line)) for line in done.out.splitlines() if line.startswith("{")]
    if os.geteuid() != 0 or not entries:
        _require_access()
    return {"count": len(entries), "entries": entries}


def _require_access() -> None:
    """Raise CannotObserve where entries are missing that exist: "there is no error" would then be a wrong answer.

    journalctl prints these hints only in its formats for people.
    """
    probe = programs.run("journalctl", ["--no-pager", "--lines=1"], purpose=PURPOSE)
    if "not seeing messages" in probe.err:
        raise CannotObserve(f"{PURPOSE}: this user may not read the messages of other users and of the system")
    if probe.rc != 0 or any(words in probe.err for words in ("No journal files", "insufficient permissions")):
        raise CannotObserve(f"{PURPOSE}: {probe.reason()}")


def since(text: str, *, now: float) -> int:
    """The beginning in seconds since 1970: of a duration before `now`, or of a date, which is in UTC by default."""
    if text[-1].isdigit() and text.isdigit():
        return int(now) - int(text)
    if text[:-1].isdigit() and text[-1] in SECONDS:
        return int(now) - int(text[:-1]) * SECONDS[text[-1]]
    zoned = text.replace(" ", "T").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(zoned)
    except ValueError:
        raise CannotObserve(f"cannot use the since {text!r} of journal: there is no such time") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=_UTC)).timestamp())


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    stamp, priority = _text(fields.get("__REALTIME_TIMESTAMP")), _text(fields.get("PRIORITY"))
    pid = _text(fields.get("_PID"))
    return {
        "time": iso(int(stamp or "0") // 10**6),
        "unit": _text(fields.get("_SYSTEMD_UNIT") or fields.get("UNIT")) or None,
        "identifier": _text(fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM")) or None,
        "pid": int(pid) if pid.isdigit() else None,
        "priority": PRIORITIES[int(priority)] if priority in set("01234567") and priority else None,
        "message": _text(fields.get("MESSAGE"))[:MESSAGE_LIMIT],
    }


def _text(value: Any) -> str:
    """A field: a text, or an array of bytes when it is not printable, or an array of several values."""
    if isinstance(value, list):
        parts = cast("list[Any]", value)
        if all(isinstance(one, int) for one in parts):
            return bytes(parts).decode("utf-8", "replace")
        return "\n".join(_text(one) for one in parts)
    return "" if value is None else str(value)
