"""A run that crashed after its last iteration, or that was stopped, continues from what is recorded."""

from __future__ import annotations

import pytest

from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.ports import DeciderFailed, StopSignal
from ftl2_enterprise.loops.rows import prompts
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.runs import Crash, act, crashes_at, deny, outcomes, states

DONE = Decision(converged=True, reasoning="all is well")


PAGE = ObservationSpec(name="page", module="stat", params={"path": "/a"})


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        (DONE, Outcome.CONVERGED),
        (Decision(blocked="no such disk"), Outcome.BLOCKED),
    ],
)
async def test_a_run_that_settled_before_a_crash_keeps_its_outcome(tmp_path, monkeypatch, decision, outcome):
    decider = ScriptedDecider(decision)
    with bench(tmp_path, decider, max_iterations=1) as b:
        await crashes_at(b, monkeypatch, LoopFaultPoint.ITERATION_ENDED)
        loop = await b.run()
        assert b.kinds().count("loop.converged") == (outcome is Outcome.CONVERGED)
    assert (loop.outcome, loop.reason) == (outcome, decision.blocked)
    assert len(decider.situations) == 1


async def test_a_run_that_settled_long_before_the_crash_was_noticed_is_repeated(tmp_path, monkeypatch):
    decider = ScriptedDecider(DONE)
    with bench(tmp_path, decider, max_iterations=1, limits=RunLimits(stale_after=0.0)) as b:
        await crashes_at(b, monkeypatch, LoopFaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.outcome, loop.run) == (Outcome.CONVERGED, 2)
    assert len(decider.situations) == 2


async def test_a_model_failure_before_a_crash_keeps_its_outcome(tmp_path, monkeypatch):
    def fails(situation):
        raise DeciderFailed("cannot reach the model")

    with bench(tmp_path, ScriptedDecider(fails), max_iterations=1) as b:
        await crashes_at(b, monkeypatch, LoopFaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.outcome, loop.reason) == (Outcome.MODEL_FAILED, "cannot reach the model")


async def test_an_answer_to_stop_before_a_crash_takes_effect(tmp_path, monkeypatch):
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    decider = ScriptedDecider(act("bad"))
    with bench(tmp_path, decider, modules=modules, max_ask_delay=1) as b:
        loop = await b.run()
        assert loop.state is LoopState.WAITING
        b.people.replies.append("stop")
        await crashes_at(b, monkeypatch, LoopFaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.state, loop.outcome) == (LoopState.BLOCKED, Outcome.BLOCKED)
    assert loop.reason == "stopped by tester after repeated failures"
    assert len(modules.ran("bad")) == 1


async def test_dismissing_the_question_whether_to_continue_blocks_the_loop(tmp_path):
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    with bench(tmp_path, ScriptedDecider(act("bad")), modules=modules, max_ask_delay=1) as b:
        await b.run()
        with b.database.write() as tx:
            (prompt,) = prompts.get_prompts(tx, b.loop_id)
            prompts.dismiss_prompt(tx, prompt.id)
        loop = await b.run()
    assert loop.outcome is Outcome.BLOCKED
    assert len(modules.ran("bad")) == 1


async def test_a_policy_that_was_tightened_while_a_loop_was_stopped_is_applied(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(act("first", "second"), DONE)
    policy = deny(tmp_path, "other")
    with bench(tmp_path, decider, modules=modules, policy=policy) as b:
        modules.handlers["first"] = lambda call: (b.stop.ask(), ok(changed=True))[1]
        await b.run()
        deny(tmp_path, "second")
        b.stop = StopSignal()
        loop = await b.run()
        assert states(b) == [("first", ActionState.SUCCEEDED), ("second", ActionState.SKIPPED)]
    assert modules.ran("second") == []
    assert loop.outcome is Outcome.CONVERGED


async def test_nothing_runs_after_an_action_whose_secret_was_not_stored(tmp_path):
    modules = ScriptedModules()
    decision = Decision(
        actions=[
            ActionSpec(module="first"),
            ActionSpec(module="user", params={"password": "hunter2222"}),
            ActionSpec(module="third"),
        ]
    )
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        modules.handlers["first"] = lambda call: (b.stop.ask(), ok(changed=True))[1]
        await b.run()
        b.stop = StopSignal()
        await b.run()
        assert [state for _, state in states(b)] == [
            ActionState.SUCCEEDED,
            ActionState.SKIPPED,
            ActionState.SKIPPED,
        ]
        assert outcomes(b) == [IterationOutcome.INTERRUPTED, IterationOutcome.CONVERGED]


async def test_a_redacted_result_is_not_evaluated_after_a_crash(tmp_path, monkeypatch):
    """A redacted text reveals nothing about its original."""
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(rc=0, stdout="password=hunter2222")
    decider = ScriptedDecider(DONE, observe=[PAGE])

    async def crash(*_, **__):
        raise Crash

    with bench(tmp_path, decider, modules=modules) as b:
        with monkeypatch.context() as patched:
            patched.setattr(ScriptedDecider, "decide", crash)
            with pytest.raises(Crash):
                await b.run()
        await b.run()
    assert decider.situations[0].state["page"]["stdout"] == "password=hunter2222"
