"""A stop while a loop observes, executes actions or fires a rule leaves nothing in flight."""

from __future__ import annotations

import asyncio

import pytest

from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, ObservationState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, forever, ok
from tests.support.loops.runs import act, iterations, outcomes, states, write_a_rule

DONE = Decision(converged=True, reasoning="all is well")


PAGE = ObservationSpec(name="page", module="stat", params={"path": "/a"})


async def test_a_stop_while_observing_asks_no_decider_and_fires_no_rule(tmp_path):
    rules = write_a_rule(tmp_path, "repairer", "await ftl.repair()")
    modules = ScriptedModules()
    for rules_dir in (rules, None):
        directory = tmp_path / str(rules_dir is None)
        directory.mkdir()
        decider = ScriptedDecider(act("touch"), observe=[PAGE])
        with bench(directory, decider, modules=modules, rules_dir=rules_dir) as b:
            modules.handlers["stat"] = lambda call: (b.stop.ask(), ok())[1]
            loop = await b.run()
            assert loop.state is LoopState.PAUSED
            assert outcomes(b) == [None]
            assert decider.situations == []


async def test_a_second_stop_begins_no_further_host(tmp_path):
    modules = ScriptedModules({f"h{n}": ["web"] for n in range(4)})
    decision = Decision(actions=[ActionSpec(module="touch", host="web")])
    with bench(tmp_path, ScriptedDecider(decision), modules=modules, limits=RunLimits(parallel_hosts=2)) as b:

        async def hang():
            b.stop.ask()
            await forever()

        modules.handlers["touch"] = lambda call: hang()
        await b.run()
        found = [state for _, state in states(b)]
    assert found == [ActionState.UNKNOWN] * 2 + [ActionState.PROPOSED] * 2


async def test_a_second_stop_while_observing_leaves_no_observation_in_flight(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(DONE, observe=[PAGE])
    with bench(tmp_path, decider, modules=modules) as b:

        async def hang():
            b.stop.ask()
            b.stop.ask()
            await forever()

        modules.handlers["stat"] = lambda call: hang()
        loop = await b.run()
        with b.database.read() as tx:
            (row,) = observation_rows.get_observations(tx, iterations(b)[0].id)
        assert (loop.state, row.state) == (LoopState.PAUSED, ObservationState.UNKNOWN)
        modules.handlers["stat"] = lambda call: ok()
        b.stop = StopSignal()
        loop = await b.run()
    assert (loop.outcome, loop.iteration_count) == (Outcome.CONVERGED, 1)


@pytest.mark.parametrize(
    "action",
    [
        "await ftl.hang()",
        "await asyncio.wait_for(ftl.hang(), 0.05)",
        "asyncio.create_task(ftl.hang()); await asyncio.sleep(0.05)",
    ],
)
async def test_an_action_of_a_rule_never_stays_in_flight_in_an_ended_iteration(tmp_path, action):
    rules = write_a_rule(tmp_path, "hanging", action)
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules) as b:

        async def hang():
            if action == "await ftl.hang()":
                b.stop.ask()
                b.stop.ask()
            await forever()

        modules.handlers["hang"] = lambda call: hang()
        await asyncio.wait_for(b.run(), 10)
        assert states(b) == [("hang", ActionState.UNKNOWN)]
        assert len(modules.cancelled) == 1
        assert outcomes(b)[0] is IterationOutcome.RULE_FIRED
