"""Which iterations need not be kept indefinitely: no-op iterations. See decision 11."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, or_, select

from ftl2_enterprise.loops.rows.history import NO_NEWS
from ftl2_enterprise.loops.tables import actions, iterations, loops, model_calls, observations, prompts, rule_results
from ftl2_enterprise.protocol.loops.nouns import ObservationState
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from ftl2_enterprise.core.clock import Instant

NEWEST = 20
"""Iterations of each loop that stay, whatever they are: a page of its history."""
EXAMINED = 500
"""Iterations that are examined per query; the caller blocks others during a query."""


def expired_iterations(tx: Tx, *, after: int, before: Instant) -> tuple[list[int], int | None]:
    """Ids of the iterations of runs without news that ended before an instant, among the next ones after `after`.

    The second value is the id to continue after; None when the rest are younger: ids ascend with the start time.
    """
    stretch = select(iterations.c.id).where(iterations.c.id > after).order_by(iterations.c.id).limit(EXAMINED)
    last: int | None = tx.connection.execute(select(func.max(stretch.subquery().c.id))).scalar()
    if last is None:
        return [], None
    of_run = iterations.alias()
    had_news = exists().where(
        of_run.c.loop_id == iterations.c.loop_id, of_run.c.run == iterations.c.run, _has_news(of_run)
    )
    query = (
        select(iterations.c.id)
        .join(loops, loops.c.id == iterations.c.loop_id)
        .where(
            iterations.c.id > after,
            iterations.c.id <= last,
            iterations.c.ended_at < before,
            ~had_news,
            iterations.c.n <= loops.c.iteration_count - NEWEST,
        )
        .order_by(iterations.c.id)
    )
    found = list(tx.connection.execute(query).scalars())
    begun: int | None = tx.connection.execute(select(iterations.c.started_at).where(iterations.c.id == last)).scalar()
    return found, last if begun is not None and begun < before else None


def _has_news(one: FromClause) -> ColumnElement[bool]:
    """Whether an iteration acted, asked, called a model, fired a rule or failed to observe, or has not ended."""
    failed = exists().where(
        observations.c.iteration_id == one.c.id, observations.c.state != ObservationState.SUCCEEDED
    )
    more = (
        exists().where(table.c.iteration_id == one.c.id) for table in (actions, prompts, model_calls, rule_results)
    )
    return or_(one.c.outcome.is_(None), one.c.outcome.not_in(NO_NEWS), failed, *more)


@unit
def delete_iterations(tx: Tx, ids: list[int]) -> int:
    """Delete these iterations with their observations; returns the number of iterations deleted."""
    of_these = observations.c.iteration_id.in_(ids)
    digests = select(observations.c.result_digest).where(of_these, observations.c.result_digest.is_not(None))
    seen = set(tx.connection.execute(digests).scalars())
    tx.connection.execute(delete(observations).where(of_these))
    removed = tx.connection.execute(delete(iterations).where(iterations.c.id.in_(ids))).rowcount
    texts.collect(tx, seen)
    return removed
