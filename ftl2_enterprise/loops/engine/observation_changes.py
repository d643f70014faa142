"""Names what differs between the observations that people approved actions on and the present ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

type Observed = Mapping[tuple[str, str], Mapping[str, Any]]
"""The results, decoded from JSON, by the name of the observation and the host."""
SHOWN = 3
"""A sentence names so many differences."""


def difference(before: Observed, now: Observed) -> str | None:
    """What is different, as a sentence: `the content of /etc/motd on web1 is different`; None if nothing is."""
    found = [
        name
        for key in {**before, **now}
        if before.get(key) != now.get(key)
        for name in _names(*key, before.get(key, {}), now.get(key, {}))
    ]
    if not found:
        return None
    if len(found) == 1:
        return f"{found[0]} is different"
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    *first, last = [*found[:SHOWN], *more]
    return f"{', '.join(first)} and {last} are different"


def _names(name: str, host: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The paths that differ, if it is an observation of paths; else the observation."""
    old, new = _paths(before), _paths(now)
    different = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    shown = [f"the content of {path}" if _is_content(old.get(path), new.get(path)) else path for path in different]
    return [f"{one} on {host}" for one in shown or [name.removeprefix("manifest:")]]


def _paths(result: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = result.get("paths")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _is_content(old: Any, new: Any) -> bool:
    """Whether the file existed before, exists now, and has another content."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    was, now = cast("dict[str, Any]", old).get("sha256"), cast("dict[str, Any]", new).get("sha256")
    return was is not None and now is not None and was != now
