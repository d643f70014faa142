"""A budget without room for the next call parks the loop with a question; the answer decides how it continues."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.core import lease
from ftl2_enterprise.gate.budgets import Amount, Limit, day_of
from ftl2_enterprise.loops.engine import model_turn
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import ModelLimits
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    model_calls as model_call_rows,
    model_spending,
    prompts as prompt_rows,
)
from ftl2_enterprise.loops.rows.model_calls import CallBegun
from ftl2_enterprise.loops.rows.model_spending import scope_of_day, scope_of_loop
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, LoopState, Outcome, Prompt
from tests.support.data.database import begun_iteration
from tests.support.loops.engine import Bench, ScriptedPeople, bench
from tests.support.loops.models import ScriptedModel, value

if TYPE_CHECKING:
    from pathlib import Path

ACT = {"reasoning": "it is down", "actions": [{"module": "touch", "params": {"path": "/srv/x"}}]}
DONE = {"reasoning": "all is well", "converged": True}
CENT = 10_000
DAILY = RunLimits(models=ModelLimits(daily=Limit(cost=2 * CENT)))


def decider(*script: Any) -> AiDecider:
    return AiDecider(ScriptedModel(*script), retries=0)


def asked(b: Bench) -> list[Prompt]:
    with b.database.read() as tx:
        return prompt_rows.get_prompts(tx, b.loop_id)


def counted(b: Bench) -> Amount:
    with b.database.read() as tx:
        return model_spending.counted(tx, scope_of_loop(b.loop_id))


async def test_a_loop_never_makes_a_call_that_its_budget_has_no_room_for(tmp_path: Path) -> None:
    model = ScriptedModel(value(ACT))
    with bench(tmp_path, AiDecider(model), max_cost=0.025, max_iterations=10) as b:
        loop = await b.run()
        (prompt,) = asked(b)
        assert loop.state is LoopState.WAITING
        assert len(model.requests) == 2
        assert counted(b).cost == 2 * CENT
    assert prompt.context == (
        "cannot call the model: the call may need 0.01 USD, and 0.02 USD of the 0.025 USD of this loop are used or"
        " reserved"
    )
    assert prompt.options == [
        "raise by 0.01 USD", "raise by 0.03 USD", "continue without the model", "stop",
    ]  # fmt: skip
    assert prompt.default == "stop"


async def test_a_person_raises_the_budget_and_the_loop_continues(tmp_path: Path) -> None:
    people = ScriptedPeople(["raise by 0.01 USD"])
    with bench(tmp_path, decider(value(ACT), value(ACT), value(DONE)), people=people, max_cost=0.025) as b:
        loop = await b.run()
        assert loop.outcome is Outcome.CONVERGED
        assert loop.spec.max_cost == 0.035
        assert counted(b).cost == 3 * CENT
        assert b.data("loop.limits_changed") == [{"max_cost": 0.035}]
        assert [event.actor for event in b.events if event.kind == "loop.limits_changed"] == ["tester"]


async def test_a_person_continues_without_the_model(tmp_path: Path) -> None:
    model = ScriptedModel(value(ACT))
    people = ScriptedPeople(["continue without the model"])
    with bench(tmp_path, AiDecider(model), people=people, max_cost=0.01) as b:
        loop = await b.run()
        assert loop.outcome is Outcome.NOT_CONVERGED
        assert loop.spec.without_model
        assert len(model.requests) == 1
        assert "a person chose to continue without it" in (loop.reason or "")


async def test_a_person_stops_the_loop(tmp_path: Path) -> None:
    with bench(tmp_path, decider(value(ACT)), people=ScriptedPeople(["stop"]), max_cost=0.01) as b:
        loop = await b.run()
        assert (loop.state, loop.outcome) == (LoopState.BLOCKED, Outcome.BLOCKED)
        assert "0.01 USD of the 0.01 USD of this loop are used or reserved" in (loop.reason or "")


async def test_tokens_are_a_budget_too(tmp_path: Path) -> None:
    people = ScriptedPeople(["raise by 1000 tokens"])
    with bench(tmp_path, decider(value(ACT), value(DONE)), people=people, max_tokens=20) as b:
        loop = await b.run()
        assert loop.outcome is Outcome.CONVERGED
        assert loop.spec.max_tokens == 1020
        assert counted(b).tokens == 24


def begin_elsewhere(b: Bench) -> int:
    """A call of another loop that this process runs, which reserves the budget of the day; returns its id."""
    with b.database.write() as tx:
        other = begun_iteration(tx, "other")
        loop_rows.change_loop(tx, other.loop_id, owner=lease.current())
        call = model_call_rows.begin_model_call(
            tx, other, purpose="decide", provider="fake", model=None, request="?", bound=Amount(2 * CENT, 100)
        )
    assert isinstance(call, CallBegun)
    return call.call_id


@pytest.mark.parametrize(("cost", "ends"), [(0.0, Outcome.CONVERGED), (0.02, None)])
async def test_a_loop_waits_for_what_a_call_of_another_loop_may_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, ends: Outcome | None
) -> None:
    paused: list[int] = []
    with bench(tmp_path, decider(value(DONE)), limits=DAILY) as b:
        call = begin_elsewhere(b)
        wait = model_turn.pause

        async def pause(*args: Any, **kw: Any) -> None:
            paused.append(len(b.kinds()))
            if len(paused) == 3:
                with b.database.write() as tx:
                    model_call_rows.finish_model_call(
                        tx, call, CallOutcome.OK, input_tokens=1, output_tokens=1, cost_usd=cost, latency=0.1,
                        response="", error=None,
                    )  # fmt: skip
            await wait(*args, **kw)

        monkeypatch.setattr(model_turn, "pause", pause)
        monkeypatch.setattr(model_turn, "POLL", 0.01)
        loop = await b.run()
        assert len(paused) == 3
        assert loop.outcome is ends
        # Only if the other call has used it up, people are asked.
        assert len(asked(b)) == (0 if ends else 1)


async def test_a_loop_that_waits_for_another_one_observes_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = RunLimits(models=DAILY.models, stale_after=0.05)
    monkeypatch.setattr(model_turn, "POLL", 0.02)
    with bench(tmp_path, decider(value(DONE)), limits=limits) as b:
        begin_elsewhere(b)
        running = asyncio.create_task(b.run())
        async with asyncio.timeout(20):
            while b.kinds().count("iteration.observed") < 3:
                await asyncio.sleep(0.01)
            b.stop.requested.set()
            await running
        assert asked(b) == []


async def test_the_budget_of_the_day_is_raised_for_the_day(tmp_path: Path) -> None:
    people = ScriptedPeople(["raise by 0.01 USD"])
    with bench(tmp_path, decider(value(ACT), value(ACT), value(DONE)), people=people, limits=DAILY) as b:
        loop = await b.run()
        (prompt,) = asked(b)
        assert loop.outcome is Outcome.CONVERGED
        assert "try again" in prompt.options
        assert "of all loops for today (UTC)" in (prompt.context or "")
        assert prompt.deadline_at is not None
        assert day_of(prompt.deadline_at) == day_of(prompt.asked_at) + 1
        with b.database.read() as tx:
            assert model_spending.counted(tx, scope_of_day(day_of(tx.now))).cost == 3 * CENT
        assert [event.actor for event in b.events if event.kind == "model.day_raised"] == ["tester"]
