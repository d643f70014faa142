"""Notices that the shell prints while the user types: new prompts, failed loops, a service that ends or returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.loops.prompts import asked_notice
from ftl2_enterprise.render.loops.standing import standing
from ftl2_enterprise.render.text import Line, Role, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from ftl2_enterprise.ctl.repl.snapshot import Snapshot
    from ftl2_enterprise.protocol.loops.replies import LoopLine

BAD = {LoopState.FAILED, LoopState.BLOCKED}
SHOWN = 5


def news(before: Snapshot, now: Snapshot, *, shown: Container[int] = ()) -> list[Line]:
    """The notices about what changed, without prompts that were shown; none for the first snapshot."""
    lines = _service(before, now)
    if not before.is_read or now.problem is not None:
        return lines
    known = {one.prompt.id for one in before.prompts}
    asked = [one for one in now.prompts if one.prompt.id not in known and one.prompt.id not in shown]
    for one in asked[:SHOWN]:
        lines += asked_notice(one)
    if len(asked) > SHOWN:
        lines.append(line((f"and {len(asked) - SHOWN} more prompts: ", Role.WARNING), ("prompts", Role.COMMAND)))
    return lines + _failed(before.loops, now.loops)


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


def _failed(before: Iterable[LoopLine], now: Iterable[LoopLine]) -> list[Line]:
    known = {loop.id: loop.state for loop in before}
    bad = [loop for loop in now if loop.state in BAD and known.get(loop.id, LoopState.PENDING) is not loop.state]
    lines = [_bad(loop) for loop in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(line((f"and {len(bad) - SHOWN} more loops: ", Role.BAD), ("status", Role.COMMAND)))
    return lines


def _bad(loop: LoopLine) -> Line:
    where = standing(loop)
    why = f": {one_line(loop.reason, 200)}" if loop.reason else ""
    return line(
        symbol(where.symbol, where.role), (one_line(loop.name, 60), Role.STRONG), " ", (where.word, where.role), why
    )
