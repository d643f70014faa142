"""How the process of a loop ends a run that fails: crash reports, unwritable databases, lost claims."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    IterationOutcome,
    IterationState,
    LoopState,
    Mode,
    Outcome,
)
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, forever
from tests.support.loops.runs import iterations, states

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult

DONE = Decision(converged=True, reasoning="all is well")


async def test_an_unexpected_failure_fails_the_loop_under_an_id_and_it_can_be_resumed(tmp_path):
    password = "password=hunter2222"

    def broken(situation):
        raise ZeroDivisionError(password)

    decider = ScriptedDecider(broken, DONE)
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        with pytest.raises(process.Crashed, match="ZeroDivisionError") as caught:
            await b.run()
        loop = b.loop()
        assert (loop.state, loop.outcome, loop.condition) == (LoopState.FAILED, Outcome.FAILED, Condition.UNKNOWN)
        reason = f"internal error {caught.value.crash_id}"
        assert loop.reason == reason
        assert reason in str(caught.value)
        # Nothing that is logged with it goes around the redaction.
        assert "hunter2222" not in "".join(traceback.format_exception(caught.value))
        (iteration,) = iterations(b)
        assert (iteration.state, iteration.outcome) == (IterationState.ENDED, IterationOutcome.FAILED)
        b.database.listen(lambda event: b.stop.ask() if event.kind == "loop.rested" else None)
        assert (await b.run()).condition is Condition.IN_SYNC


async def test_an_action_in_flight_at_an_unexpected_failure_is_unknown_and_the_rest_is_skipped(tmp_path):
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})

    def handler(call: ModuleCall) -> Awaitable[ModuleResult]:
        if call.host == "a":
            raise RuntimeError("a bug")
        return forever()

    modules.handlers["touch"] = handler
    decision = Decision(actions=[ActionSpec(module="touch", host="web"), ActionSpec(module="after")])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        with pytest.raises(process.Crashed, match="a bug"):
            await b.run()
        assert states(b) == [
            ("touch", ActionState.UNKNOWN),
            ("touch", ActionState.UNKNOWN),
            ("after", ActionState.SKIPPED),
        ]
        assert (await b.run()).outcome is Outcome.CONVERGED


async def test_invalid_input_during_a_run_ends_it_with_the_message(tmp_path):
    def broken(situation):
        raise Problem(Code.INVALID, "cannot read rules.json: it is damaged")

    with bench(tmp_path, ScriptedDecider(broken)) as b:
        loop = await b.run()
    assert (loop.state, loop.outcome) == (LoopState.FAILED, Outcome.FAILED)
    assert loop.reason == "cannot read rules.json: it is damaged"


async def test_with_a_database_that_cannot_be_written_the_loop_can_be_resumed(tmp_path):
    def broken(situation):
        raise Problem(Code.UNAVAILABLE, "cannot write: the disk is full")

    with bench(tmp_path, ScriptedDecider(broken, DONE)) as b:
        with pytest.raises(Problem, match="disk is full"):
            await b.run()
        assert b.loop().state is LoopState.RUNNING
        loop = await b.run()
    assert (loop.outcome, loop.iteration_count) == (Outcome.CONVERGED, 1)


async def test_releasing_a_loop_that_another_process_has_claimed_is_silent(tmp_path):
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        late = process.claim(b.database, b.loop_id)
        process.claim(b.database, b.loop_id)
        before = b.loop()
        process.release(late)
        assert b.loop() == before
