"""The outcome and condition that a run ends with: budgets, denials, drift, dry runs."""

from __future__ import annotations

from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import hosts as host_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, StateOp
from ftl2_enterprise.protocol.loops.nouns import Condition, IterationOutcome, LoopState, Mode, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, forever, ok
from tests.support.loops.runs import act, deny, iterations, outcomes, write_a_rule

DONE = Decision(converged=True, reasoning="all is well")


async def test_an_interrupted_iteration_does_not_use_the_budget(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(act("first"), DONE)
    with bench(tmp_path, decider, modules=modules, max_iterations=1) as b:

        async def hang():
            b.stop.ask()
            b.stop.ask()
            await forever()

        modules.handlers["first"] = lambda call: hang()
        await b.run()
        b.stop = StopSignal()
        loop = await b.run()
        started = b.data("iteration.started")
    assert loop.outcome is Outcome.CONVERGED
    assert [(one["in_run"], one["of"]) for one in started] == [(1, 1), (1, 1)]
    assert decider.situations[1].iteration == 1


async def test_a_denial_before_the_last_iteration_is_not_the_outcome_of_the_run(tmp_path):
    decider = ScriptedDecider(act("shell"), act("touch"), is_model=True)
    with bench(tmp_path, decider, policy=deny(tmp_path, "shell"), max_iterations=2) as b:
        loop = await b.run()
        assert outcomes(b) == [IterationOutcome.DENIED, IterationOutcome.ACTED]
    assert loop.outcome is Outcome.NOT_CONVERGED


async def test_a_loop_stopped_between_iterations_continues_the_same_run(tmp_path):
    decider = ScriptedDecider(act("touch", reasoning="first"), DONE)
    with bench(tmp_path, decider) as b:
        remove = b.database.listen(lambda event: b.stop.ask() if event.kind == "iteration.ended" else None)
        assert (await b.run()).state is LoopState.PAUSED
        remove()
        b.stop = StopSignal()
        loop = await b.run()
    assert (loop.run, loop.outcome) == (1, Outcome.CONVERGED)
    assert [past.reasoning for past in decider.situations[1].past] == ["first"]


async def test_a_loop_is_not_in_sync_after_a_run_that_did_not_converge(tmp_path):
    decider = ScriptedDecider(DONE, Decision(reasoning="undecided"))
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01, max_iterations=1) as b:
        rests: list[object] = []

        def listen(event):
            if event.kind == "loop.rested":
                rests.append(event)
                if len(rests) == 2:
                    b.stop.ask()

        b.database.listen(listen)
        loop = await b.run()
    assert loop.condition is Condition.UNKNOWN


async def test_drift_is_reported_although_its_repair_needs_an_answer(tmp_path):
    ask = Decision(ask=Ask(question="Which?"), unmet=["page is missing"])
    with bench(tmp_path, ScriptedDecider(ask)) as b:
        loop = await b.run()
    assert (loop.state, loop.condition) == (LoopState.WAITING, Condition.DRIFTED)


async def test_a_dry_run_in_which_nothing_could_be_done_previews_nothing(tmp_path):
    modules = ScriptedModules()
    modules.refused["bad"] = "cannot use bad: it does nothing"
    with bench(tmp_path, ScriptedDecider(act("bad")), modules=modules, dry_run=True, max_iterations=2) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.NOT_CONVERGED
    assert "it does nothing" in (loop.reason or "")


async def test_a_dry_run_in_which_a_rule_is_denied_previews_nothing(tmp_path):
    rules = write_a_rule(tmp_path, "denied", "await ftl.shell(cmd='x')")
    policy = deny(tmp_path, "shell")
    with bench(tmp_path, ScriptedDecider(DONE), rules_dir=rules, policy=policy, dry_run=True, max_iterations=1) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.DENIED


async def test_a_dry_run_with_only_state_operations_is_a_preview(tmp_path):
    decision = Decision(state_ops=[StateOp(op="add_resource", name="lb")])
    with bench(tmp_path, ScriptedDecider(decision), dry_run=True) as b:
        loop = await b.run()
        with b.database.read() as tx:
            assert host_rows.get_resources(tx, b.loop_id) == []
    assert (loop.outcome, loop.iteration_count) == (Outcome.PREVIEWED, 1)


async def test_the_summary_of_an_iteration_counts_failures_as_failures(tmp_path):
    modules = ScriptedModules()
    # What failed half-way has changed something, too; it is a failure nevertheless, and counted once.
    modules.handlers["bad"] = lambda call: failed("exit 3", rc=3, changed=True)
    modules.handlers["good"] = lambda call: ok(changed=True)
    decision = Decision(actions=[ActionSpec(module="bad"), ActionSpec(module="good"), ActionSpec(module="bad")])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        loop = await b.run()
        first = iterations(b)[0]
    (ended, _) = b.data("iteration.ended")
    assert (ended["changed"], ended["failed"]) == (1, 2)
    assert b.data("loop.converged")[0]["changed"] == 1
    assert first.error == "bad on localhost: exit 3"
    assert (loop.action_count, loop.changed_count, loop.failed_count) == (3, 1, 2)
