"""The list of loops, in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from sqlalchemy import Float, Text, bindparam, func, select, text, type_coerce

from ftl2_enterprise.core.clock import after
from ftl2_enterprise.loops.rows import model_queue
from ftl2_enterprise.loops.rows.processes import pid_of_loop, queued
from ftl2_enterprise.loops.tables import (
    ENDED_LOOPS,
    loops,
)
from ftl2_enterprise.protocol.loops.freshness import is_outdated
from ftl2_enterprise.protocol.loops.nouns import Condition, LoopRemediation, LoopState, Mode
from ftl2_enterprise.protocol.loops.replies import LoopLine
from ftl2_enterprise.store.columns import Flag
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.store.tx import Tx

_FROM_ELSEWHERE = {
    "pid",
    "queued",
    "model_wait",
    "frozen_by",
    "retry",
    "left_out",
    "stale",
    "dry_run",
    "only_reports",
}
_LINE = tuple(name for name in LoopLine.__struct_fields__ if name not in _FROM_ELSEWHERE)
_LINES = select(*(loops.c[name] for name in _LINE), loops.c.owner).order_by(loops.c.id.desc())
_OPEN_LINES = Prepared(
    _LINES.where(loops.c.ended_at.is_(None), loops.c.id < bindparam("before")).limit(bindparam("at_most"))
)
_MAX_SCANNED = 1_000
RECENT = 86_400.0
"""Seconds for which a failed loop is listed together with those that have not ended, so that users notice it."""
_FAILED_LINES = Prepared(
    _LINES.where(
        loops.c.id > select(func.max(loops.c.id) - _MAX_SCANNED).scalar_subquery(),
        loops.c.id < bindparam("before"),
        loops.c.state == bindparam("failed"),
        loops.c.ended_at >= bindparam("since"),
    ).limit(bindparam("at_most"))
)
_ALL_LINES = Prepared(_LINES.where(loops.c.id < bindparam("before")).limit(bindparam("at_most")))
_FROZEN = Prepared(select(loops.c.id, loops.c.frozen_by).where(loops.c.frozen_by.is_not(None)))
_NOTES = Prepared(
    select(loops.c.id, loops.c.retry, loops.c.left_out).where(text("retry IS NOT NULL OR left_out <> '[]'"))
)
_SPEC = Prepared(
    select(
        type_coerce(func.json_extract(loops.c.spec, "$.interval"), Float),
        type_coerce(func.json_extract(loops.c.spec, "$.dry_run"), Flag),
        type_coerce(func.json_extract(loops.c.spec, "$.remediation"), Text),
    ).where(loops.c.id == bindparam("row_id"))
)
_FOREVER = 2**63 - 1


def frozen_by(tx: Tx) -> dict[int, str]:
    """The freeze that holds each loop which one holds, by the id of the loop."""
    return dict(_FROZEN.rows(tx, {}))


def lines(
    tx: Tx, children: Table, *, finished: bool, before: int | None, limit: int
) -> tuple[list[LoopLine], int | None]:
    """A page of loops, newest first, without their long columns, and the `before` of the next page, if there is one.

    Recently failed loops are listed as if they had not ended.
    """
    query = _ALL_LINES if finished else _OPEN_LINES
    page = {"before": _FOREVER if before is None else before, "at_most": limit + 1}
    rows = query.rows(tx, page)
    if not finished:
        rows += _FAILED_LINES.rows(tx, {**page, "failed": LoopState.FAILED, "since": after(tx.now, -RECENT)})
        rows.sort(key=lambda row: row[0], reverse=True)
    more = rows[limit - 1][0] if len(rows) > limit else None
    rows = rows[:limit]
    waiting = model_queue.get_waits(tx)
    frozen = frozen_by(tx)
    notes = {row[0]: (row[1], row[2]) for row in _NOTES.rows(tx, {})}
    found = [
        LoopLine(
            **dict(zip(_LINE, row[:-1], strict=True)),
            pid=pid_of_loop(row[0], row[-1], children),
            queued=queued(row[0], children),
            model_wait=waiting.get(row[0]),
            frozen_by=frozen.get(row[0]),
            retry=notes[row[0]][0] if row[0] in notes else None,
            left_out=notes[row[0]][1] if row[0] in notes else [],
        )
        for row in rows
    ]
    return [_with_spec(tx, one) for one in found], more


def _with_spec(tx: Tx, loop: LoopLine) -> LoopLine:
    """The line with what follows from the specification, which is a long column, if it can matter."""
    if loop.state in {*ENDED_LOOPS, LoopState.BLOCKED}:
        is_dry = loop.state in {LoopState.FAILED, LoopState.BLOCKED} and _SPEC.rows(tx, {"row_id": loop.id})[0][1]
        return replace(loop, dry_run=True) if is_dry else loop
    if loop.state is LoopState.RESTING and loop.condition is Condition.DRIFTED:
        remediation = _SPEC.rows(tx, {"row_id": loop.id})[0][2]
        loop = replace(loop, only_reports=remediation == LoopRemediation.NEVER)
    at = loop.observed_at
    if loop.mode is not Mode.CONTINUOUS or at is None or not is_outdated(at, 0.0, tx.now):
        return loop
    return replace(loop, stale=is_outdated(at, _SPEC.rows(tx, {"row_id": loop.id})[0][0], tx.now))
