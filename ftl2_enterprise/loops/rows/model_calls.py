"""Queries and writes of model calls and what they cost."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.gate.budgets import MICRO, Amount, Breach, Settlement, day_of, judge, micro, settle
from ftl2_enterprise.loops.ports import NO_LIMITS, NO_NEWS, ModelLimits, ProviderHealth
from ftl2_enterprise.loops.rows import model_queue as queue, model_spending as spending, providers as provider_rows
from ftl2_enterprise.loops.rows.loops import add_to_loop, get_loop
from ftl2_enterprise.loops.rows.model_queue import CallWaits
from ftl2_enterprise.loops.tables import loops, model_calls, model_reservations
from ftl2_enterprise.protocol.loops.facts import ModelAnswered, ModelAsked, ModelOverran, ModelQueued, loop_subject
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
_RESERVE = Prepared(insert(model_reservations))
_RESERVED = Prepared(
    select(
        model_reservations.c.provider,
        model_reservations.c.day,
        model_reservations.c.reserved_cost,
        model_reservations.c.reserved_tokens,
    ).where(model_reservations.c.call_id == bindparam("call"), model_reservations.c.ended_at.is_(None))
)
_SETTLE = Prepared(update(model_reservations).where(model_reservations.c.call_id == bindparam("call")))
NOTHING = Amount()


class CallBegun(msgspec.Struct, frozen=True, tag="begun"):
    """A call may begin: its upper bound is reserved."""

    call_id: int


class CallHeld(msgspec.Struct, frozen=True, tag="held"):
    """The budget of the day has room only when calls of other loops, which are in flight, return what they do not
    use.
    """


type CallStart = CallBegun | CallWaits | CallHeld | Breach


@unit
def begin_model_call(
    tx: Tx,
    iteration: Iteration,
    *,
    purpose: str,
    provider: str,
    model: str | None,
    request: str,
    bound: Amount = NOTHING,
    limits: ModelLimits = NO_LIMITS,
) -> CallStart:
    """Reserve the upper bound of a call and insert the call, or else return why it may not begin.

    Everything that limits calls is checked here, in the transaction that reserves. The database has one writer at a
    time, so calls of other loops cannot exceed a limit together. A call that has to wait keeps its position in the
    queue; one that a budget has no room for leaves the queue.
    """
    loop = get_loop(tx, iteration.loop_id)
    budgets = spending.budgets(tx, loop.id, loop.spec, limits.daily)
    breach = judge(budgets, bound)
    if breach is not None:
        queue.leave(tx, loop.id)
        left = spending.without(budgets, queue.in_flight(tx, loop.id, day_of(tx.now)))
        return CallHeld() if judge(left, bound) is None else breach
    waiting = queue.waits(tx, loop.id, provider, limits)
    if waiting is not None:
        if queue.join(tx, loop.id, loop.generation, provider, waiting):
            queued = ModelQueued(
                iteration_id=iteration.id, provider=provider, reason=waiting.reason, until=waiting.until
            )
            tx.emit(queued, subject=loop_subject(loop.id))
        return waiting
    queue.leave(tx, loop.id)
    call_id = _insert(tx, iteration, purpose=purpose, provider=provider, model=model, request=request)
    day = day_of(tx.now)
    reservation: dict[str, Any] = {
        "call_id": call_id,
        "loop_id": loop.id,
        "generation": loop.generation,
        "provider": provider,
        "day": day,
        "reserved_cost": bound.cost,
        "reserved_tokens": bound.tokens,
        "started_at": tx.now,
    }
    _RESERVE.change(tx, reservation)
    spending.count(tx, loop.id, day, bound)
    provider_rows.begin_probe(tx, provider, call_id)
    add_to_loop(tx, loop.id, model_call_count=1)
    tx.emit(
        ModelAsked(iteration_id=iteration.id, call_id=call_id, purpose=purpose, provider=provider, model=model),
        subject=loop_subject(loop.id),
    )
    return CallBegun(call_id)


@unit
def refuse_model_call(
    tx: Tx, iteration: Iteration, *, purpose: str, provider: str, model: str | None, request: str, error: str
) -> None:
    """Record a call that is not made. It leaves the queue, and reserves and costs nothing."""
    queue.leave(tx, iteration.loop_id)
    call_id = _insert(tx, iteration, purpose=purpose, provider=provider, model=model, request=request)
    finish_model_call(
        tx,
        call_id,
        CallOutcome.REFUSED,
        input_tokens=0,
        output_tokens=0,
        cost_usd=0.0,
        latency=0.0,
        response="",
        error=error,
    )


def _insert(tx: Tx, iteration: Iteration, *, purpose: str, provider: str, model: str | None, request: str) -> int:
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "purpose": purpose,
        "provider": provider,
        "model": model,
        "started_at": tx.now,
        **text_values("request", texts.put(tx, request)),
    }
    return _INSERT.insert(tx, row)


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
    health: ProviderHealth = NO_NEWS,
    limits: ModelLimits = NO_LIMITS,
) -> None:
    """Record the outcome and cost of the call, settle its reservation, and emit the fact ModelAnswered.

    What is unknown of its usage counts as reserved. Raises Problem(conflict) when the call has ended already.
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
    # A call that an earlier version began has no reservation.
    if (found := _RESERVED.first(tx, {"call": call_id})) is not None:
        provider, day, cost, tokens = found
        used = None if input_tokens is None or output_tokens is None else input_tokens + output_tokens
        settled = settle(Amount(cost, tokens), cost=None if cost_usd is None else micro(cost_usd), tokens=used)
        _settle(tx, call_id, iteration_id, loop_id, day, Amount(cost, tokens), settled)
        provider_rows.end_call(tx, provider, call_id, loop_id, outcome, health, error=error, limits=limits)


def _settle(
    tx: Tx, call_id: int, iteration_id: int, loop_id: int, day: int, reserved: Amount, settled: Settlement
) -> None:
    counted = settled.counted
    row = {"call": call_id, "settled_cost": counted.cost, "settled_tokens": counted.tokens, "ended_at": tx.now}
    _SETTLE.change(tx, row)
    spending.count(tx, loop_id, day, counted - reserved, overruns=int(settled.overran))
    if settled.overran:
        overran = ModelOverran(
            iteration_id=iteration_id,
            call_id=call_id,
            reserved_usd=reserved.cost / MICRO,
            cost_usd=counted.cost / MICRO,
            reserved_tokens=reserved.tokens,
            tokens=counted.tokens,
        )
        tx.emit(overran, subject=loop_subject(loop_id))


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
