"""What is picked up after a process ended in the middle, step by step, and that late processes are fenced."""

from __future__ import annotations

import asyncio

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, forever, ok

DONE = Decision(converged=True)
TWO = Decision(actions=[ActionSpec(module="first"), ActionSpec(module="second")])


async def test_a_stop_between_actions_is_continued_from_the_stored_decision(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        modules.handlers["first"] = lambda call: (b.stop.ask(), ok(changed=True))[1]
        loop = await b.run()
        assert (loop.state, loop.outcome) == (LoopState.PAUSED, None)
        b.stop = StopSignal()
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert [call.module for call in modules.calls] == ["first", "second"]
    assert len(decider.situations) == 2


async def test_a_second_stop_ends_the_action_and_its_effect_is_unknown(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules) as b:

        async def hang():
            b.stop.ask()
            b.stop.ask()
            await forever()

        modules.handlers["first"] = lambda call: hang()
        loop = await b.run()
        assert loop.state is LoopState.PAUSED
        assert [call.module for call in modules.cancelled] == ["first"]
        b.stop = StopSignal()
        loop = await b.run()
        with b.database.read() as tx:
            states = {row.module: row.state for row in action_rows.get_actions_for_loop(tx, b.loop_id)}
            outcomes = [one.outcome for one in loop_rows.get_iterations(tx, b.loop_id)]
    assert loop.outcome is Outcome.CONVERGED
    assert states == {"first": ActionState.UNKNOWN, "second": ActionState.SKIPPED}
    assert outcomes == [IterationOutcome.INTERRUPTED, IterationOutcome.CONVERGED]
    assert [row.module for row in decider.situations[1].unknown] == ["first"]


async def test_a_decision_that_is_too_old_is_not_executed(tmp_path):
    from ftl2_enterprise.loops.engine.context import RunLimits

    modules = ScriptedModules()
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules, limits=RunLimits(stale_after=0.0)) as b:
        modules.handlers["first"] = lambda call: (b.stop.ask(), ok(changed=True))[1]
        await b.run()
        b.stop = StopSignal()
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert [call.module for call in modules.calls] == ["first"]


async def test_two_processes_never_run_one_loop(tmp_path):
    """The claim is refused while its holder lives."""
    import subprocess
    import sys

    child = (
        "import sys; from pathlib import Path; from ftl2_enterprise.wiring.database import open_database;"
        "from ftl2_enterprise.loops.process import claim;"
        "claim(open_database(Path(sys.argv[1]), create=False), int(sys.argv[2])); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        holder = subprocess.Popen(
            [sys.executable, "-c", child, str(tmp_path / "loops.db"), str(b.loop_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(Problem, match=f"process {holder.pid} is running it") as caught:
                process.claim(b.database, b.loop_id)
            assert caught.value.code is Code.CONFLICT
        finally:
            holder.kill()
            holder.communicate()
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED


async def test_a_process_whose_claim_is_gone_writes_nothing(tmp_path):
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        late = process.claim(b.database, b.loop_id)
        process.claim(b.database, b.loop_id)
        before = b.loop()
        with pytest.raises(Problem) as caught:
            late.commit(run_units.begin_iteration, b.loop_id, run=1, in_run=1, budget=1)
        assert caught.value.code is Code.CONFLICT
        assert b.loop() == before


async def test_a_completed_loop_is_not_run_again(tmp_path):
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        await b.run()
        with pytest.raises(Problem, match="it is completed"):
            await b.run()


async def test_a_stop_during_a_decision_waits_a_little_and_the_decision_is_asked_for_again(tmp_path):
    from ftl2_enterprise.loops.engine.context import RunLimits

    class Slow(ScriptedDecider):
        async def decide(self, situation, calls):
            self.situations.append(situation)
            if len(self.situations) == 1:
                b.stop.ask()
                await forever()
            return DONE

    with bench(tmp_path, Slow(DONE), limits=RunLimits(stop_grace=0.05)) as b:
        loop = await asyncio.wait_for(b.run(), 10)
        assert loop.state is LoopState.PAUSED
        b.stop = StopSignal()
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert loop.iteration_count == 1
