"""Lists of loops: the table, the counts by status, and the order of urgency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.freezes import held_by
from ftl2_enterprise.render.loops.standing import (
    QUEUED,
    STOPPING,
    condition_word,
    is_failing,
    is_frozen,
    is_stale,
    standing,
    stopping,
    why,
)
from ftl2_enterprise.render.table import Cell, Column, cell, table
from ftl2_enterprise.render.text import Line, Piece, Role, ago, count, dollars, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.replies import LoopLine
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord

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

ORDER = (
    LoopState.RUNNING,
    LoopState.PENDING,
    LoopState.RESTING,
    LoopState.WAITING,
    LoopState.PAUSED,
    LoopState.BLOCKED,
    LoopState.FAILED,
    LoopState.COMPLETED,
    LoopState.CANCELLED,
)
"""States in the order in which the counts list them."""


def loop_table(
    loops: Sequence[LoopLine],
    now: Instant,
    room: int | None,
    *,
    draining: bool = False,
    freezes: Sequence[FreezeRecord] = (),
) -> list[Line]:
    """The loops, one on each line. `freezes`: those in force, for what they cover and when they end."""
    records = {one.freeze.id: one for one in freezes}
    rows = [_row(loop, now, records, draining=draining) for loop in loops]
    return table(COLUMNS, rows, room)


def _row(loop: LoopLine, now: Instant, records: Mapping[str, FreezeRecord], *, draining: bool) -> list[Cell]:
    where = standing(loop)
    condition, role = condition_word(loop)
    if is_stale(loop, now):
        condition, role = f"{condition}, stale", Role.WARNING
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
        cell(one_line(_why(loop, now, records, draining=draining), 200) or ("-", Role.FAINT)),
    ]


def _why(loop: LoopLine, now: Instant, records: Mapping[str, FreezeRecord], *, draining: bool) -> str:
    record = records.get(loop.frozen_by or "")
    if record is None or draining or not is_frozen(loop):
        return why(loop, now, draining=draining)
    return held_by(record, now)


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
    """The counts by status, in the words of the table: `12 running, 2 waiting for you`."""
    pieces: list[Piece] = []
    for number, word, role in numbers(loops):
        pieces += [", "] if pieces else []
        pieces.append((f"{number} {word}", role))
    return pieces


def numbers(loops: Sequence[LoopLine]) -> list[tuple[int, str, Role]]:
    """Number, word and role of each status that any loop has; queued loops first, then by state."""
    found: dict[tuple[int, bool, str], tuple[int, Role]] = {}
    for loop in loops:
        where = standing(loop)
        is_queued = loop.queued is not None and where.word == QUEUED
        key = (-1 if is_queued else ORDER.index(loop.state), where.word != str(loop.state), where.word)
        found[key] = found.get(key, (0, where.role))[0] + 1, where.role
    # A word that loops of several states have, such as `pausing`, is counted once, at its first place.
    numbers: dict[str, tuple[int, Role]] = {}
    for (_, _, word), (number, role) in sorted(found.items(), key=lambda one: one[0]):
        numbers[word] = numbers.get(word, (0, role))[0] + number, role
    return [(number, word, role) for word, (number, role) in numbers.items()]


def counts_line(loops: Sequence[LoopLine]) -> Line:
    """The number of loops, then the counts by status."""
    return line((f"{count(len(loops), 'loop')}: ", Role.FAINT), *counts(loops))
