"""A program that runs a loop may cancel it at any await, or give it a time limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.rows import actions as action_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, ScriptedPeople, bench, forever
from tests.support.loops.runs import iterations
from tests.support.terminal.people import NoAnswer

if TYPE_CHECKING:
    from pathlib import Path


class Slow(ScriptedDecider):
    """Reports that it was asked, and never answers."""

    def __init__(self) -> None:
        super().__init__(Decision(converged=True))
        self.asked = asyncio.Event()

    async def decide(self, situation: Any, calls: Any) -> Decision:
        self.asked.set()
        await forever()
        raise AssertionError


async def test_a_run_can_be_cancelled_while_it_decides(tmp_path: Path):
    slow = Slow()
    with bench(tmp_path, slow) as b:
        running = asyncio.create_task(b.run())
        await asyncio.wait_for(slow.asked.wait(), 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert b.loop().owner is None
        b.decider = ScriptedDecider(Decision(converged=True))
        assert (await b.run()).outcome is Outcome.CONVERGED


async def test_a_run_can_be_cancelled_while_it_asks(tmp_path: Path):
    people: Any = NoAnswer()
    deciding = ScriptedDecider(Decision(ask=Ask(question="Which port?")), Decision(converged=True))
    with bench(tmp_path, deciding, people=people) as b:
        running = asyncio.create_task(b.run())
        await asyncio.wait_for(people.asked.wait(), 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert people.taken_back
        b.people = ScriptedPeople(["80"])
        assert (await b.run()).outcome is Outcome.CONVERGED
    assert len(deciding.situations) == 2


async def test_a_run_can_be_given_a_time_limit_and_what_was_in_flight_is_unknown(tmp_path: Path):
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: forever()
    act = Decision(actions=[ActionSpec(module="touch")])
    with bench(tmp_path, ScriptedDecider(act, Decision(converged=True)), modules=modules) as b:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(b.run(), 0.5)
        assert [call.module for call in modules.cancelled] == ["touch"]
        loop = await b.run()
        with b.database.read() as tx:
            (row,) = action_rows.get_actions_for_loop(tx, b.loop_id)
        outcomes = [iteration.outcome for iteration in iterations(b)]
    assert row.state is ActionState.UNKNOWN
    assert outcomes == [IterationOutcome.INTERRUPTED, IterationOutcome.CONVERGED]
    assert loop.outcome is Outcome.CONVERGED
