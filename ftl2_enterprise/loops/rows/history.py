"""Queries of iterations that changed something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select

from ftl2_enterprise.loops.tables import actions, iterations
from ftl2_enterprise.protocol.loops.nouns import ActionState, Iteration, IterationOutcome
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx

_ITERATIONS = Reader(iterations, Iteration)
MAX_SCANNED = 20_000
"""Iterations that are examined for one page, so that a loop with years of history does not block the service."""
NO_NEWS = (
    IterationOutcome.CONVERGED,
    IterationOutcome.CHECK_HELD,
    IterationOutcome.OBSERVED,
    IterationOutcome.DELAYED,
)
NEWS = tuple(set(IterationOutcome) - {*NO_NEWS, IterationOutcome.ACTED})
"""Outcomes that always count as a change; for iterations with actions, the results of the actions decide."""
WENT_WRONG = (ActionState.FAILED, ActionState.DENIED, ActionState.UNKNOWN)


def get_changes(tx: Tx, loop_id: int, *, before: int | None, limit: int) -> tuple[list[Iteration], int | None]:
    """The last iterations before the number `before` that changed something, failed or asked, in order of `n`.

    The second value is the number to pass as `before` for the previous page; None at the beginning of the history.
    """
    end = _newest(tx, loop_id) + 1 if before is None else before
    first = max(1, end - MAX_SCANNED)
    had_effect = exists().where(
        actions.c.iteration_id == iterations.c.id, or_(actions.c.changed.is_(True), actions.c.state.in_(WENT_WRONG))
    )
    query = (
        _ITERATIONS.select()
        .where(
            iterations.c.loop_id == loop_id,
            iterations.c.n < end,
            iterations.c.n >= first,
            or_(iterations.c.outcome.is_(None), iterations.c.outcome.not_in(NO_NEWS)),
            or_(iterations.c.outcome.in_(NEWS), had_effect),
        )
        .order_by(iterations.c.n.desc())
        .limit(limit + 1)
    )
    found = _ITERATIONS.all(tx.connection.execute(query))[::-1]
    if len(found) > limit:
        return found[1:], found[1].n
    return found, first if first > 1 else None


def _newest(tx: Tx, loop_id: int) -> int:
    query = select(func.max(iterations.c.n)).where(iterations.c.loop_id == loop_id)
    found: int | None = tx.connection.execute(query).scalar()
    return found or 0
