"""The loops that need the attention of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Condition, LoopState
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.loops.loop_list import read_loops
from ftl2_enterprise.render.loops.loop_table import loop_table
from ftl2_enterprise.render.loops.standing import is_failing, is_frozen, is_interrupted, is_overdue, is_stale
from ftl2_enterprise.render.text import Line, Role, count, line, quoted, symbol
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.replies import LoopLine
    from ftl2_enterprise.render.view import ViewReader

EVERY = 1_000_000
"""More loops than there can be."""
_ATTENTION = {LoopState.WAITING, LoopState.BLOCKED, LoopState.FAILED}
_WORKS = {LoopState.PENDING, LoopState.RUNNING}


def needs_attention(loop: LoopLine, now: Instant) -> bool:
    """Whether it waits for a person, fails, is held, or may not be in its desired state.

    One that a person has paused, or that has ended otherwise than by a failure, does not. Nor does a dry run that has
    ended, whatever it has found, or one that works on a drift that it has found, unless its last run failed.
    """
    if loop.dry_run:
        return False
    if loop.state in _ATTENTION or loop.restart_at is not None:
        return True
    if loop.failures and loop.state in _WORKS:
        return True
    if is_failing(loop) or is_frozen(loop) or is_interrupted(loop) or is_overdue(loop, now) or is_stale(loop, now):
        return True
    return loop.state is LoopState.RESTING and loop.condition is not Condition.IN_SYNC


def attention_view(reader: ViewReader) -> ViewContent:
    """The loops that need attention, of those that have not ended or have failed recently.

    The document is a `LoopPage` with them alone.
    """
    page = read_loops(reader, finished=False, limit=EVERY)
    now = reader.now()
    found = LoopPage(loops=[one for one in page.loops if needs_attention(one, now)], draining=page.draining)

    def lines() -> list[Line]:
        every = count(len(page.loops), "loop")
        if not found.loops:
            return [line(symbol("✔", Role.GOOD), f"{every}: none needs attention")]
        freezes = reader.call(ListFreezes()) if any(one.frozen_by for one in found.loops) else []
        need = "needs" if len(found.loops) == 1 else "need"
        return [
            line(symbol("✘", Role.BAD), (f"{len(found.loops)} of {every} {need} attention", Role.BAD)),
            *loop_table(found.loops, now, reader.room, draining=found.draining, freezes=freezes),
            offer(reader, "why", f"why {quoted(found.loops[0].name)}"),
        ]

    return ViewContent(found, lines)
