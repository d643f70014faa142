"""Queries and writes of model calls: what they reserve, what counts for them, and the budgets that limit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate.budgets import MICRO, Amount, Breach, Limit, day_of
from ftl2_enterprise.loops.ports import ModelLimits
from ftl2_enterprise.loops.rows import (
    loop_deletion,
    loops as loop_rows,
    model_calls as model_call_rows,
    model_spending,
)
from ftl2_enterprise.loops.rows.model_calls import CallBegun, CallHeld
from ftl2_enterprise.loops.rows.model_spending import scope_of_day, scope_of_loop
from ftl2_enterprise.loops.units import budgets as budget_units, runs as run_units
from ftl2_enterprise.protocol.loops.nouns import CallOutcome
from tests.support.data.database import begun_iteration, event_kinds

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Iteration
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

DOLLAR = Amount(cost=MICRO, tokens=1000)


def begin(tx: Tx, iteration: Iteration, bound: Amount = DOLLAR, **limits: Any) -> Any:
    return model_call_rows.begin_model_call(
        tx, iteration, purpose="decide", provider="claude", model=None, request="?", bound=bound,
        limits=ModelLimits(**limits),
    )  # fmt: skip


def begun(tx: Tx, iteration: Iteration, bound: Amount = DOLLAR, **limits: Any) -> int:
    found = begin(tx, iteration, bound, **limits)
    assert isinstance(found, CallBegun)
    return found.call_id


def finish(tx: Tx, call: int, outcome: CallOutcome = CallOutcome.OK, cost: float | None = None, **used: Any) -> None:
    model_call_rows.finish_model_call(
        tx, call, outcome, input_tokens=used.get("sent"), output_tokens=used.get("received"), cost_usd=cost,
        latency=0.5, response="!", error=None, model="opus",
    )  # fmt: skip


def limited(tx: Tx, name: str = "web", **limits: Any) -> Iteration:
    """An iteration of a loop with these limits, which this process runs."""
    iteration = begun_iteration(tx, name)
    loop = loop_rows.get_loop(tx, iteration.loop_id)
    spec = msgspec.structs.replace(loop.spec, **limits)
    loop_rows.change_loop(tx, loop.id, spec=spec, owner=lease.current())
    return iteration


def of_loop(tx: Tx, iteration: Iteration) -> Amount:
    return model_spending.counted(tx, scope_of_loop(iteration.loop_id))


def of_today(tx: Tx) -> Amount:
    return model_spending.counted(tx, scope_of_day(day_of(tx.now)))


def test_model_calls_and_their_cost_are_stored(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        first = begun(tx, iteration)
        assert [call.id for call in model_call_rows.get_open_model_calls(tx, iteration.loop_id)] == [first]
        finish(tx, first, cost=0.25, sent=10, received=2)
        with pytest.raises(Problem, match="not in flight"):
            finish(tx, first, cost=0.25)
        second = begun(tx, iteration)
        finish(tx, second, CallOutcome.UNKNOWN)
        third = begun(tx, iteration)
        finish(tx, third, CallOutcome.MALFORMED, 0.75)
        assert model_call_rows.spent_on(tx, iteration.loop_id) == 1.0
        calls = model_call_rows.get_model_calls(tx, iteration.loop_id)
        assert [call.id for call in calls] == [third, second, first]
        assert model_call_rows.get_model_calls(tx, iteration.loop_id, before=second) == calls[2:]
        assert model_call_rows.get_model_calls_for_iteration(tx, iteration.id) == calls[::-1]
        assert (calls[2].model, calls[2].cost_usd, calls[2].outcome) == ("opus", 0.25, "ok")
        assert model_call_rows.get_open_model_calls(tx, iteration.loop_id) == []
        loop = loop_rows.get_loop(tx, iteration.loop_id)
    assert (loop.model_call_count, loop.cost_usd) == (3, 1.0)
    assert event_kinds(db, loop.id)[-6:] == ["model.asked", "model.answered"] * 3


def test_a_call_counts_as_reserved_until_its_usage_is_known(db: Store) -> None:
    with db.write() as tx:
        iteration = limited(tx)
        call = begun(tx, iteration)
        assert of_loop(tx, iteration) == of_today(tx) == DOLLAR
        finish(tx, call, cost=0.25, sent=10, received=2)
        assert of_loop(tx, iteration) == of_today(tx) == Amount(MICRO // 4, 12)
        begun(tx, iteration)
        run_units.lose_model_calls(tx, iteration)
        assert of_loop(tx, iteration) == of_today(tx) == Amount(MICRO * 5 // 4, 1012)


def test_what_is_reserved_fits_into_the_budget_of_the_loop(db: Store) -> None:
    with db.write() as tx:
        iteration = limited(tx, max_cost=1.5, max_tokens=5000)
        finish(tx, begun(tx, iteration), cost=0.5, sent=1, received=1)
        finish(tx, begun(tx, iteration), cost=0.5, sent=1, received=1)
        found = begin(tx, iteration)
        assert isinstance(found, Breach)
        assert found.sentence("call the model") == (
            "cannot call the model: the call may need 1.00 USD, and 1.00 USD of the 1.50 USD of this loop are used or"
            " reserved"
        )
        assert len(model_call_rows.get_model_calls(tx, iteration.loop_id)) == 2
        small = begun(tx, iteration, Amount(MICRO // 2, 100))
        finish(tx, small, cost=0.0, sent=0, received=0)
        found = begin(tx, iteration, Amount(cost=1, tokens=4999))
        assert isinstance(found, Breach)
        assert found.of_tokens


def test_the_budget_of_a_day_is_that_of_all_loops_and_of_one_day(db: Store) -> None:
    daily = Limit(cost=2 * MICRO, tokens=10_000)
    with db.write() as tx:
        first, second = limited(tx, "first"), limited(tx, "second")
        begun(tx, first, daily=daily)
        begun(tx, second, daily=daily)
        loop_rows.change_loop(tx, second.loop_id, owner=None)
        found = begin(tx, first, daily=daily)
        assert isinstance(found, Breach)
        assert "2.00 USD of the 2.00 USD of all loops for today (UTC) are used or reserved" in found.sentence("ask")
        budget_units.raise_day(tx, first.loop_id, day_of(tx.now), Amount(cost=MICRO), by="eva")
        begun(tx, first, daily=daily)
        assert isinstance(begin(tx, first, daily=daily), Breach)
        loop_rows.change_loop(tx, first.loop_id, owner=None)
        run_units.lose_model_calls(tx, first)
        loop_deletion.delete_loop(tx, first.loop_id)
        assert of_today(tx).cost == 3 * MICRO, "a deleted loop has spent what it has spent"
        assert model_spending.counted(tx, scope_of_loop(first.loop_id)) == Amount()
        loop_rows.change_loop(tx, second.loop_id, owner=lease.current())
        assert isinstance(begin(tx, second, daily=daily), Breach)
        tx.now += 86_400 * 1_000_000
        begun(tx, second, daily=daily)


def test_what_another_loop_has_reserved_and_may_return_is_waited_for(db: Store) -> None:
    daily = Limit(cost=2 * MICRO)
    with db.write() as tx:
        first, second = limited(tx, "first"), limited(tx, "second")
        call = begun(tx, first, daily=daily)
        begun(tx, first, daily=daily)
        assert begin(tx, second, daily=daily) == CallHeld()
        assert isinstance(begin(tx, second, Amount(cost=3 * MICRO), daily=daily), Breach), "it never fits"
        assert isinstance(begin(tx, first, daily=daily), Breach), "these are its own calls"
        finish(tx, call, cost=0.25, sent=1, received=1)
        assert begin(tx, second, daily=daily) == CallHeld()
        begun(tx, second, Amount(cost=MICRO // 2), daily=daily)
        assert begin(tx, second, daily=daily) == CallHeld(), "what its own call has reserved counts"
        loop_rows.change_loop(tx, first.loop_id, owner=None)
        assert isinstance(begin(tx, second, daily=daily), Breach), "a killed process returns nothing"


def test_no_wait_for_another_loop_hides_an_own_limit_or_an_excess(db: Store) -> None:
    daily = Limit(cost=2 * MICRO)
    with db.write() as tx:
        first, second = limited(tx, "first"), limited(tx, "second", max_cost=0.5)
        call = begun(tx, first, Amount(cost=2 * MICRO), daily=daily)
        assert isinstance(begin(tx, second, daily=daily), Breach)
        finish(tx, call, cost=3.0, sent=1, received=1)
        found = begin(tx, second, Amount(cost=1), daily=daily)
        assert isinstance(found, Breach)
        assert found.overran


def test_an_excess_counts_is_reported_and_blocks_the_budget_until_a_person_decides(db: Store) -> None:
    with db.write() as tx:
        iteration = limited(tx, max_cost=100.0)
        finish(tx, begun(tx, iteration), cost=3.0, sent=1, received=1)
        assert of_loop(tx, iteration).cost == 3 * MICRO
        found = begin(tx, iteration)
        assert isinstance(found, Breach)
        assert "an earlier call used more than it had reserved" in found.sentence("call the model")
        loop = loop_rows.get_loop(tx, iteration.loop_id)
        budget_units.raise_loop(tx, loop.id, loop.generation, Amount(cost=MICRO), by="eva")
        assert loop_rows.get_loop(tx, loop.id).spec.max_cost == 101.0
        begun(tx, iteration)
    assert "model.overran" in event_kinds(db, loop.id)


def test_a_refused_call_writes_nothing(db: Store) -> None:
    with db.write() as tx:
        iteration = limited(tx, max_cost=0.5)
        assert isinstance(begin(tx, iteration), Breach)
        assert of_loop(tx, iteration) == of_today(tx) == Amount()
        assert model_call_rows.get_model_calls(tx, iteration.loop_id) == []
