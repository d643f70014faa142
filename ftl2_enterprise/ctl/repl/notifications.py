"""Notices that the shell prints while the user types: a service that is lost or returns, and news of the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.render.text import Line, Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Container

    from ftl2_enterprise.ctl.repl.parts import Parts
    from ftl2_enterprise.ctl.repl.snapshot import Snapshot


def news(before: Snapshot, now: Snapshot, parts: Parts, *, shown: Container[str] = ()) -> list[Line]:
    """The notices about what changed, without subjects that were shown; none of a part for the first snapshot."""
    lines = _service(before, now)
    if not before.is_read or now.problem is not None:
        return lines
    for name, part in parts.items():
        lines += part.notices(before.states[name], now.states[name], shown)
    return lines


def _service(before: Snapshot, now: Snapshot) -> list[Line]:
    if now.problem is not None and before.problem is None:
        lines = [line(symbol("✘", Role.BAD), (away(now), Role.BAD))]
        if now.problem.code is not Code.UNAVAILABLE or not before.is_read:
            lines.append(line(now.problem.message, indent=2))
            if now.problem.hint:
                lines.append(line((now.problem.hint, Role.FAINT), indent=2))
        return lines
    if now.problem is None and before.problem is not None:
        return [line(symbol("✔", Role.GOOD), ("the service is back", Role.GOOD))]
    return []


def away(now: Snapshot) -> str:
    """Why the service cannot be used, in a few words."""
    if now.problem is not None and now.problem.code is Code.DENIED:
        return "the service denies access"
    return "the service is unreachable, trying again"
