"""Queries and writes of observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.tables import observations
from ftl2_enterprise.protocol.loops.nouns import Iteration, Observation, ObservationState
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader, text_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.store.tx import Tx

_OBSERVATIONS = Reader(observations, Observation, computed=frozenset({"fence"}))

REQUESTED = "requested"
"""Origin of the observations that a decision requests."""

_INSERT = Prepared(insert(observations))
_FINISH = Prepared(
    update(observations).where(
        observations.c.id == bindparam("row_id"), observations.c.state == ObservationState.RUNNING
    )
)
_OF_ITERATION = Prepared(
    _OBSERVATIONS.select().where(observations.c.iteration_id == bindparam("of")).order_by(observations.c.id)
)
_DENIED = Prepared(
    select(observations.c.name, observations.c.host, observations.c.error)
    .where(observations.c.iteration_id == bindparam("of"), observations.c.state == ObservationState.DENIED)
    .order_by(observations.c.id)
    .limit(1)
)


class DeniedObservation(NamedTuple):
    """An observation that policy has denied."""

    name: str
    host: str
    error: str | None


def insert_observation(
    tx: Tx, iteration: Iteration, *, name: str, module: str, host: str, params: Mapping[str, Any], origin: str
) -> int:
    """Insert an observation that is about to start; returns its id."""
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "name": name,
        "module": module,
        "host": host,
        "params": dict(params),
        "origin": origin,
        "state": ObservationState.RUNNING,
        "started_at": tx.now,
    }
    return _INSERT.insert(tx, row)


def finish_observation(
    tx: Tx, observation_id: int, state: ObservationState, *, result: str, error: str | None = None
) -> None:
    """Record the result of an observation. Raises Problem(conflict) when it has ended already."""
    values = {"state": state, "error": error, "ended_at": tx.now, **text_values("result", texts.put(tx, result))}
    if _FINISH.change(tx, {"row_id": observation_id, **values}) != 1:
        raise problem.conflict(f"cannot end the observation {observation_id}: it is not running")


def get_observations(tx: Tx, iteration_id: int) -> list[Observation]:
    """The observations of an iteration, in the order in which they started."""
    return _OBSERVATIONS.all(_OF_ITERATION.rows(tx, {"of": iteration_id}))


def requested_by_decisions(tx: Tx, iteration_ids: Sequence[int], *, limit: int) -> list[Observation]:
    """What decisions have requested and these iterations have observed, in order; at most the last `limit`."""
    query = (
        _OBSERVATIONS.select()
        .where(observations.c.iteration_id.in_(iteration_ids), observations.c.origin == REQUESTED)
        .order_by(observations.c.id.desc())
        .limit(limit)
    )
    return _OBSERVATIONS.all(tx.connection.execute(query))[::-1]


def first_denied(tx: Tx, iteration_id: int) -> DeniedObservation | None:
    """The first observation of an iteration that policy has denied; None without one."""
    row = _DENIED.first(tx, {"of": iteration_id})
    return None if row is None else DeniedObservation(*row)
