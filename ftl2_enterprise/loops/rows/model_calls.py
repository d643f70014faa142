"""Queries and writes of model calls and what they cost."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows.loops import add_to_loop
from ftl2_enterprise.loops.tables import loops, model_calls
from ftl2_enterprise.protocol.loops.facts import ModelAnswered, ModelAsked, loop_subject
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, Iteration, ModelCall
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader, text_values
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

_MODEL_CALLS = Reader(model_calls, ModelCall)

_BY_ID = model_calls.c.id == bindparam("row_id")
_INSERT = Prepared(insert(model_calls))
_FINISH = Prepared(update(model_calls).where(_BY_ID, model_calls.c.ended_at.is_(None)))
_OF = Prepared(select(model_calls.c.loop_id, model_calls.c.iteration_id).where(_BY_ID))
_OPEN = Prepared(
    _MODEL_CALLS.select()
    .where(model_calls.c.loop_id == bindparam("of"), model_calls.c.ended_at.is_(None))
    .order_by(model_calls.c.id)
)
_SPENT = Prepared(select(loops.c.cost_usd).where(loops.c.id == bindparam("row_id")))


@unit
def begin_model_call(
    tx: Tx,
    iteration: Iteration,
    *,
    purpose: str,
    provider: str,
    model: str | None,
    request: str,
    max_cost: float | None = None,
) -> int:
    """Insert a model call that is about to start, and emit its fact; returns its id.

    Raises Problem(denied) when the loop's calls have already cost `max_cost` US dollars.
    """
    spent = spent_on(tx, iteration.loop_id)
    if max_cost is not None and spent >= max_cost:
        raise Problem(
            Code.DENIED,
            f"cannot call the model: this loop has cost {spent:.2f} USD, and its limit is {max_cost:.2f} USD",
            hint="raise the limit with --max-cost",
        )
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "purpose": purpose,
        "provider": provider,
        "model": model,
        "started_at": tx.now,
        **text_values("request", texts.put(tx, request)),
    }
    call_id = _INSERT.insert(tx, row)
    add_to_loop(tx, iteration.loop_id, model_call_count=1)
    tx.emit(
        ModelAsked(iteration_id=iteration.id, call_id=call_id, purpose=purpose, provider=provider, model=model),
        subject=loop_subject(iteration.loop_id),
    )
    return call_id


@unit
def finish_model_call(  # noqa: PLR0913 - each is a column
    tx: Tx,
    call_id: int,
    outcome: CallOutcome,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cost_usd: float | None,
    latency: float | None,
    response: str,
    error: str | None,
    model: str | None = None,
) -> None:
    """Record the outcome and cost of the call, and emit the fact ModelAnswered.

    Raises Problem(conflict) when the call has ended already.
    """
    values: dict[str, Any] = {
        "outcome": outcome,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_usd": cost_usd,
        "latency": latency,
        "error": error,
        "ended_at": tx.now,
        **text_values("response", texts.put(tx, response)),
    }
    if model is not None:
        values["model"] = model
    if _FINISH.change(tx, {"row_id": call_id, **values}) != 1:
        raise problem.conflict(f"cannot end the model call {call_id}: it is not in flight")
    loop_id, iteration_id = _OF.rows(tx, {"row_id": call_id})[0]
    add_to_loop(tx, loop_id, cost_usd=cost_usd or 0.0)
    answered = ModelAnswered(
        iteration_id=iteration_id,
        call_id=call_id,
        outcome=outcome,
        latency=latency,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        error=error,
    )
    tx.emit(answered, subject=loop_subject(loop_id))


def get_model_calls(tx: Tx, loop_id: int, *, before: int | None = None, limit: int = 100) -> list[ModelCall]:
    """A page of a loop's model calls with ids below `before`, newest first."""
    query = (
        _MODEL_CALLS.select().where(model_calls.c.loop_id == loop_id).order_by(model_calls.c.id.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(model_calls.c.id < before)
    return _MODEL_CALLS.all(tx.connection.execute(query))


def get_model_calls_for_iteration(tx: Tx, iteration_id: int) -> list[ModelCall]:
    """The model calls of an iteration, in order."""
    query = _MODEL_CALLS.select().where(model_calls.c.iteration_id == iteration_id).order_by(model_calls.c.id)
    return _MODEL_CALLS.all(tx.connection.execute(query))


def get_open_model_calls(tx: Tx, loop_id: int) -> list[ModelCall]:
    """Calls that have not ended, oldest first."""
    return _MODEL_CALLS.all(_OPEN.rows(tx, {"of": loop_id}))


def spent_on(tx: Tx, loop_id: int) -> float:
    """US dollars that the loop's model calls have cost."""
    return float(_SPENT.rows(tx, {"row_id": loop_id})[0][0])
