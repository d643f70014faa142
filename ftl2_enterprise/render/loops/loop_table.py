"""Lists of loops: the table, the counts by state, and the order of urgency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.loops.standing import ENDED, STOPPING, is_failing, standing, stopping, why
from ftl2_enterprise.render.loops.state_words import CONDITION_WORDS
from ftl2_enterprise.render.table import Cell, Column, cell, table
from ftl2_enterprise.render.text import Line, Piece, Role, ago, count, dollars, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.replies import LoopLine

COLUMNS = (
    Column("LOOP", least=12),
    Column("STATE"),
    Column("CONDITION", drop=1),
    Column("LAST CHECK", drop=3),
    Column("MODE", drop=7),
    Column("ITER", right=True, drop=4),
    Column("CHANGED", right=True, drop=5),
    Column("FAILED", right=True, drop=2),
    Column("COST", right=True, drop=8),
    Column("PID", right=True, drop=6),
    Column("WHY", least=16, drop=1),
)

COUNTED: tuple[tuple[LoopState, str, Role], ...] = (
    (LoopState.RUNNING, "running", Role.ACCENT),
    (LoopState.PENDING, "starting", Role.FAINT),
    (LoopState.RESTING, "resting", Role.GOOD),
    (LoopState.WAITING, "waiting for you", Role.WARNING),
    (LoopState.PAUSED, "paused", Role.WARNING),
    (LoopState.BLOCKED, "blocked", Role.BAD),
    (LoopState.FAILED, "failed", Role.BAD),
    (LoopState.COMPLETED, "completed", Role.GOOD),
    (LoopState.CANCELLED, "cancelled", Role.FAINT),
)


def loop_table(loops: Sequence[LoopLine], now: Instant, room: int | None, *, draining: bool = False) -> list[Line]:
    """The loops, one on each line."""
    rows = [_row(loop, now, draining=draining) for loop in loops]
    return table(COLUMNS, rows, room)


def _row(loop: LoopLine, now: Instant, *, draining: bool) -> list[Cell]:
    where = standing(loop)
    condition, role = CONDITION_WORDS[loop.condition]
    return [
        cell((one_line(loop.name, 80), Role.STRONG)),
        cell(symbol(where.symbol, where.role), (where.word, where.role)),
        cell((condition, role) if loop.observed_at is not None else ("-", Role.FAINT)),
        cell((ago(loop.observed_at, now) if loop.observed_at is not None else "-", Role.FAINT)),
        cell(str(loop.mode)),
        cell(str(loop.iteration_count)),
        cell((str(loop.changed_count), Role.CHANGED if loop.changed_count else Role.FAINT)),
        cell((str(loop.failed_count), Role.BAD if loop.failed_count else Role.FAINT)),
        cell((dollars(loop.cost_usd) if loop.cost_usd else "-", Role.FAINT)),
        cell((str(loop.pid) if loop.pid else "-", Role.FAINT)),
        cell(one_line(why(loop, now, draining=draining), 200) or ("-", Role.FAINT)),
    ]


def stopping_lines(loops: Sequence[LoopLine] | None, *, draining: bool) -> list[Line]:
    """The notice that the service is stopping, with what it waits for if the loops are given; nothing otherwise."""
    text = STOPPING if loops is None else stopping(loops)
    return [line(symbol("!", Role.WARNING), (text, Role.WARNING))] if draining else []


def urgency(loop: LoopLine) -> int:
    """The sort key of a list that may be truncated: loops that need attention, then running, then resting ones."""
    match loop.state:
        case LoopState.WAITING | LoopState.BLOCKED | LoopState.FAILED:
            return 0
        case LoopState.RUNNING | LoopState.PENDING:
            return 0 if loop.restart_at is not None else 1
        case LoopState.PAUSED:
            return 2
        case LoopState.RESTING:
            return 0 if is_failing(loop) else 3 if loop.queued is None else 1
        case _:
            return 4


def counts(loops: Sequence[LoopLine]) -> list[Piece]:
    """The counts by state: `12 running, 2 waiting for you`."""
    pieces: list[Piece] = []
    for number, word, role in numbers(loops):
        pieces += [", "] if pieces else []
        pieces.append((f"{number} {word}", role))
    return pieces


def numbers(loops: Sequence[LoopLine]) -> list[tuple[int, str, Role]]:
    """Number, word and role of each state that any loop is in; `failing` and `queued` are counted separately."""
    failing = sum(is_failing(loop) and loop.queued is None for loop in loops)
    queued = [loop for loop in loops if loop.queued is not None and loop.state not in ENDED]
    found: list[tuple[int, str, Role]] = [(len(queued), "queued", Role.WARNING)]
    for state, word, role in COUNTED:
        number = sum(loop.state is state for loop in loops) - sum(loop.state is state for loop in queued)
        if state is LoopState.RESTING:
            found += [(number - failing, word, role), (failing, "failing", Role.BAD)]
        else:
            found.append((number, word, role))
    return [one for one in found if one[0]]


def counts_line(loops: Sequence[LoopLine]) -> Line:
    """The number of loops, then the counts by state."""
    return line((f"{count(len(loops), 'loop')}: ", Role.FAINT), *counts(loops))
