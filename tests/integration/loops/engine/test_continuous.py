"""Continuous loops: rest, drift, recorded checks, back-off."""

from __future__ import annotations

import asyncio

from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.decision import (
    ActionSpec,
    Check,
    Decision,
    Expectation,
    ObservationSpec,
)
from ftl2_enterprise.protocol.loops.nouns import Condition, IterationOutcome, LoopState, Mode
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok

PAGE = ObservationSpec(name="page", module="stat")
CHECK = Check(observe=[PAGE], expect=[Expectation(observation="page", path="exists", value=True)])


def stop_after(b, count: int) -> None:
    seen = []

    def listen(event):
        if event.kind == "loop.rested":
            seen.append(event)
            if len(seen) >= count:
                b.stop.ask()

    b.database.listen(listen)


async def test_no_decision_is_made_while_the_check_holds_and_drift_is_found(tmp_path):
    modules = ScriptedModules()
    world = {"exists": True}
    modules.handlers["stat"] = lambda call: ok(output=dict(world))

    def repair(situation):
        if world["exists"]:
            return Decision(converged=True, check=CHECK)
        return Decision(actions=[ActionSpec(module="touch")], unmet=["page is missing"])

    def touch(call):
        world["exists"] = True
        return ok(changed=True)

    modules.handlers["touch"] = touch
    decider = ScriptedDecider(repair, is_model=True)
    with bench(tmp_path, decider, modules=modules, mode=Mode.CONTINUOUS, interval=0.01) as b:
        stop_after(b, 3)
        loop = await b.run()
        assert loop.state is LoopState.PAUSED
        assert len(decider.situations) == 1
        with b.database.read() as tx:
            outcomes = [one.outcome for one in loop_rows.get_iterations(tx, b.loop_id)]
        assert outcomes == [IterationOutcome.CONVERGED, IterationOutcome.CHECK_HELD, IterationOutcome.CHECK_HELD]
        world["exists"] = False
        b.stop.__init__()
        stop_after(b, 1)
        loop = await b.run()
    assert len(decider.situations) == 2
    assert b.data("loop.drifted") == [{"unmet": ["page is missing"]}]
    assert loop.condition is Condition.IN_SYNC
    # After the repair, the recorded check holds again: the model is not asked to confirm it.
    assert b.data("loop.converged")[-1]["by"] == "check"


async def test_an_audit_asks_the_model_although_the_check_holds(tmp_path):
    from ftl2_enterprise.loops.engine.context import RunLimits

    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output={"exists": True})
    decider = ScriptedDecider(Decision(converged=True, check=CHECK), is_model=True)
    limits = RunLimits(audit_every=0.0)
    with bench(tmp_path, decider, modules=modules, mode=Mode.CONTINUOUS, interval=0.01, limits=limits) as b:
        stop_after(b, 3)
        await b.run()
    assert len(decider.situations) == 3


async def test_runs_that_do_not_converge_back_off(tmp_path):
    decider = ScriptedDecider(Decision(reasoning="nothing to do"))
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01, max_iterations=1) as b:
        stop_after(b, 4)
        loop = await b.run()
    assert [round(data["delay"], 3) for data in b.data("loop.rested")] == [0.01, 0.02, 0.04, 0.08]
    assert loop.failures == 4


async def test_a_blocked_loop_is_not_retried(tmp_path):
    decider = ScriptedDecider(Decision(blocked="no such disk"))
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        loop = await asyncio.wait_for(b.run(), 10)
    assert loop.state is LoopState.BLOCKED
    assert len(decider.situations) == 1


async def test_the_next_run_is_stored_and_waited_for_by_the_next_process(tmp_path):
    decider = ScriptedDecider(Decision(converged=True))
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=30.0) as b:
        stop_after(b, 1)
        await b.run()
        rested = b.data("loop.rested")[0]
        assert 29_000_000 < rested["next_run_at"] - b.events[0].at < 31_000_000
