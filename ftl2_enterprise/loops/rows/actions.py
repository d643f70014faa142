"""Queries and writes of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Text, and_, bindparam, case, func, insert, literal_column, or_, select, type_coerce

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.lifecycle import ACTION, ActionEvent
from ftl2_enterprise.loops.rows.loops import add_to_loop
from ftl2_enterprise.loops.tables import (
    actions,
    iterations,
)
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, Iteration, IterationOutcome
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader, text_values
from ftl2_enterprise.store.transition import transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl2_enterprise.store.tx import Tx

_ACTIONS = Reader(actions, Action, computed=frozenset({"denial"}))
_INSERT = Prepared(insert(actions))
_LOOP_ID = Prepared(select(actions.c.loop_id).where(actions.c.id == bindparam("row_id")))
_OF_ITERATION = Prepared(_ACTIONS.select().where(actions.c.iteration_id == bindparam("of")).order_by(actions.c.id))
_CHANGED = Prepared(
    select(func.count())
    .select_from(actions.join(iterations, iterations.c.id == actions.c.iteration_id))
    .where(
        iterations.c.loop_id == bindparam("of"),
        iterations.c.run == bindparam("in_run"),
        actions.c.state == literal_column(f"'{ActionState.SUCCEEDED}'"),
        actions.c.changed == literal_column("1"),
    )
)
_UNKNOWN = Prepared(
    _ACTIONS.select()
    .join(iterations, iterations.c.id == actions.c.iteration_id)
    .where(
        actions.c.loop_id == bindparam("of"),
        # A literal, because SQLite uses the partial index only for exactly its condition.
        actions.c.state == literal_column("'unknown'"),
        iterations.c.n >= bindparam("since"),
    )
    .order_by(actions.c.id)
)
_NOT_TRIED = (ActionState.SKIPPED, ActionState.PREVIEWED)
_ATTEMPTS = (
    select(
        func.count(actions.c.iteration_id.distinct()).label("times"),
        func.max(actions.c.id).label("last"),
    )
    .select_from(iterations.join(actions, actions.c.iteration_id == iterations.c.id))
    .where(
        iterations.c.loop_id == bindparam("of"),
        iterations.c.run == bindparam("in_run"),
        iterations.c.n >= bindparam("since"),
        or_(
            iterations.c.outcome == literal_column(f"'{IterationOutcome.ACTED}'"),
            # An action that ends the process of its loop, as a restart of the service does, was begun.
            and_(
                iterations.c.outcome == literal_column(f"'{IterationOutcome.INTERRUPTED}'"),
                actions.c.state == literal_column(f"'{ActionState.UNKNOWN}'"),
            ),
        ),
        actions.c.origin == literal_column("'decision'"),
        actions.c.state.not_in([literal_column(f"'{state}'") for state in _NOT_TRIED]),
    )
    # With a step, the parameters do not count: what is observed may be part of them.
    .group_by(
        actions.c.host,
        actions.c.step,
        actions.c.part,
        case((actions.c.step.is_(None), actions.c.module)),
        case((actions.c.step.is_(None), actions.c.params)),
    )
    .subquery()
)
_ATTEMPTED = Prepared(
    select(
        _ATTEMPTS.c.times,
        actions.c.step,
        actions.c.part,
        actions.c.host,
        actions.c.module,
        type_coerce(actions.c.params, Text),
        actions.c.state,
        actions.c.error,
        func.coalesce(actions.c.ended_at, actions.c.started_at),
    ).join(actions, actions.c.id == _ATTEMPTS.c.last)
)
_FEW = 8
"""The actions of so many iterations are read by a prepared query: each decision needs those of the last."""
_PREPARED = 5 * _FEW
"""Up to this many iterations, the prepared query is executed several times."""
_OF_FEW = Prepared(
    _ACTIONS.select()
    .where(actions.c.iteration_id.in_([bindparam(f"of_{n}") for n in range(_FEW)]))
    .order_by(actions.c.id)
)
_IDS_AT_ONCE = 500
"""Values in one IN (...); the limit of older SQLite builds is 999."""


class Attempts(NamedTuple):
    """An action that iterations of a run have tried, by its last attempt."""

    times: int
    """In how many iterations: a plan may have it twice."""
    step: str | None
    part: int
    host: str
    module: str
    params: str
    """As JSON, redacted."""
    state: ActionState
    error: str | None
    at: int | None
    """The instant at which it ended, or else began."""


def insert_action(  # noqa: PLR0913 - each is a column
    tx: Tx,
    iteration: Iteration,
    *,
    n: int,
    host: str,
    target: str,
    module: str,
    params: Mapping[str, Any],
    origin: str,
    diff: str = "",
    step: str | None = None,
    part: int = 0,
) -> int:
    """Insert a proposed action on one host; returns its id."""
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "n": n,
        "host": host,
        "target": target,
        "module": module,
        "params": dict(params),
        "origin": origin,
        "step": step,
        "part": part,
        "state": ACTION.initial,
        **text_values("diff", texts.put(tx, diff)),
    }
    action_id = _INSERT.insert(tx, row)
    add_to_loop(tx, iteration.loop_id, action_count=1)
    return action_id


def move_action(  # noqa: PLR0913 - each is a column
    tx: Tx,
    action_id: int,
    event: ActionEvent,
    *,
    changed: bool | None = None,
    rc: int | None = None,
    stdout: str = "",
    stderr: str = "",
    output: str = "",
    error: str | None = None,
) -> ActionState:
    """Change the state of an action, with its result.

    Raises Problem(conflict) when its state does not allow the event.
    """
    values: dict[str, Any] = {"changed": changed, "rc": rc, "error": error}
    for name, text in (("stdout", stdout), ("stderr", stderr), ("output", output)):
        if text:
            values.update(text_values(name, texts.put(tx, text)))
    values["started_at" if event is ActionEvent.STARTED else "ended_at"] = tx.now
    state = transition(tx, ACTION, actions, action_id, event, **values)
    # A failed action may have changed something, too; it is counted once, as a failure.
    failed, improved = state is ActionState.FAILED, state is ActionState.SUCCEEDED and bool(changed)
    if improved or failed:
        loop_id = _LOOP_ID.scalar(tx, {"row_id": action_id})
        add_to_loop(tx, loop_id, changed_count=int(improved), failed_count=int(failed))
    return state


def get_action(tx: Tx, action_id: int) -> Action:
    """One action. Raises Problem(not_found)."""
    found = _ACTIONS.get(tx, action_id)
    if found is None:
        raise problem.not_found(f"cannot find the action {action_id}")
    return found


def get_actions_for_iteration(tx: Tx, iteration_id: int) -> list[Action]:
    """Every action of an iteration, in the order in which they were decided."""
    return _ACTIONS.all(_OF_ITERATION.rows(tx, {"of": iteration_id}))


def get_actions_for_iterations(tx: Tx, ids: Iterable[int]) -> dict[int, list[Action]]:
    """The actions of several iterations, by iteration id, each in the order in which they were decided."""
    requested = list(dict.fromkeys(ids))
    found: dict[int, list[Action]] = {iteration_id: [] for iteration_id in requested}
    if not requested:
        return found
    if len(requested) <= _PREPARED:
        for start in range(0, len(requested), _FEW):
            part = requested[start : start + _FEW]
            # What is requested twice is found once.
            values = {f"of_{n}": part[min(n, len(part) - 1)] for n in range(_FEW)}
            for action in _ACTIONS.all(_OF_FEW.rows(tx, values)):
                found[action.iteration_id].append(action)
        return found
    for start in range(0, len(requested), _IDS_AT_ONCE):
        part = requested[start : start + _IDS_AT_ONCE]
        query = _ACTIONS.select().where(actions.c.iteration_id.in_(part)).order_by(actions.c.id)
        for action in _ACTIONS.all(tx.connection.execute(query)):
            found[action.iteration_id].append(action)
    return found


def attempted(tx: Tx, loop_id: int, run: int, *, since_iteration_n: int) -> list[Attempts]:
    """What the decisions of a run have tried, in iterations from that number on that have acted, or were interrupted
    in the middle of it.

    What was denied when it was about to begin is among it. Actions of the same part of a step are one; without a
    step, those with the same module and parameters.
    """
    values = {"of": loop_id, "in_run": run, "since": since_iteration_n}
    return [Attempts(*row) for row in _ATTEMPTED.rows(tx, values)]


def count_actions_of_iterations(tx: Tx, ids: Iterable[int]) -> dict[int, int]:
    """How many actions each of the iterations has; iterations without actions are left out."""
    requested = list(ids)
    found: dict[int, int] = {}
    for start in range(0, len(requested), _IDS_AT_ONCE):
        part = requested[start : start + _IDS_AT_ONCE]
        query = (
            select(actions.c.iteration_id, func.count())
            .where(actions.c.iteration_id.in_(part))
            .group_by(actions.c.iteration_id)
        )
        found.update((row[0], row[1]) for row in tx.connection.execute(query))
    return found


def get_actions_for_loop(tx: Tx, loop_id: int, *, before: int | None = None, limit: int = 100) -> list[Action]:
    """A page of a loop's actions with ids below `before`, newest first."""
    query = _ACTIONS.select().where(actions.c.loop_id == loop_id).order_by(actions.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(actions.c.id < before)
    return _ACTIONS.all(tx.connection.execute(query))


def get_unknown_actions(tx: Tx, loop_id: int, *, since_iteration_n: int) -> list[Action]:
    """Actions whose effect is unknown, in iterations from that number on, oldest first."""
    return _ACTIONS.all(_UNKNOWN.rows(tx, {"of": loop_id, "since": since_iteration_n}))


def count_changed(tx: Tx, loop_id: int, run: int) -> int:
    """How many actions of one run succeeded and changed something."""
    return int(_CHANGED.scalar(tx, {"of": loop_id, "in_run": run}))


def newest_actions(
    tx: Tx, loop_id: int, *, state: ActionState | None, before: int | None, limit: int
) -> list[Action]:
    """Actions of a loop, newest first."""
    query = _ACTIONS.select().where(actions.c.loop_id == loop_id).order_by(actions.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(actions.c.state == state)
    if before is not None:
        query = query.where(actions.c.id < before)
    return _ACTIONS.all(tx.connection.execute(query))
