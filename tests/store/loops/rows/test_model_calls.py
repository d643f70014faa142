"""Queries and writes of model calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    model_calls as model_call_rows,
)
from ftl2_enterprise.protocol.loops.nouns import (
    CallOutcome,
)
from tests.support.data.database import begun_iteration, event_kinds

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_model_calls_and_their_cost_are_stored(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)

        def begin(max_cost: float | None = None) -> int:
            return model_call_rows.begin_model_call(
                tx, iteration, purpose="decide", provider="claude", model=None, request="?", max_cost=max_cost
            )

        def finish(call: int, outcome: CallOutcome, cost: float | None) -> None:
            model_call_rows.finish_model_call(
                tx, call, outcome, input_tokens=10, output_tokens=2, cost_usd=cost, latency=0.5,
                response="!", error=None, model="opus",
            )  # fmt: skip

        first = begin(1.0)
        assert [call.id for call in model_call_rows.get_open_model_calls(tx, iteration.loop_id)] == [first]
        finish(first, CallOutcome.OK, 0.25)
        with pytest.raises(Problem, match="not in flight"):
            finish(first, CallOutcome.OK, 0.25)
        second = begin(1.0)
        finish(second, CallOutcome.UNKNOWN, None)
        third = begin(1.0)
        finish(third, CallOutcome.MALFORMED, 0.75)
        assert model_call_rows.spent_on(tx, iteration.loop_id) == 1.0
        with pytest.raises(Problem, match=r"has cost 1.00 USD, and its limit is 1.00 USD") as caught:
            begin(1.0)
        assert caught.value.code is Code.DENIED
        calls = model_call_rows.get_model_calls(tx, iteration.loop_id)
        assert [call.id for call in calls] == [third, second, first]
        assert model_call_rows.get_model_calls(tx, iteration.loop_id, before=second) == calls[2:]
        assert model_call_rows.get_model_calls_for_iteration(tx, iteration.id) == calls[::-1]
        assert (calls[2].model, calls[2].cost_usd, calls[2].outcome) == ("opus", 0.25, "ok")
        assert model_call_rows.get_open_model_calls(tx, iteration.loop_id) == []
        loop = loop_rows.get_loop(tx, iteration.loop_id)
    assert (loop.model_call_count, loop.cost_usd) == (3, 1.0)
    assert event_kinds(db, loop.id)[-6:] == ["model.asked", "model.answered"] * 3
