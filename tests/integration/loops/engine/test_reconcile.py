"""How runs end, and that what is recorded is the truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.loops.engine.decide import ask_delay
from ftl2_enterprise.loops.ports import DeciderFailed
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec, StateOp
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    CallOutcome,
    Condition,
    IterationOutcome,
    LoopState,
    Mode,
    Outcome,
)
from tests.support.data.database import spec
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, ScriptedPeople, bench, failed, ok

if TYPE_CHECKING:
    from pathlib import Path

DONE = Decision(converged=True, reasoning="all is well")


def act(*modules: str, **fields):
    return Decision(reasoning="act", actions=[ActionSpec(module=module) for module in modules], **fields)


def history(b):
    with b.database.read() as tx:
        return loop_rows.get_iterations(tx, b.loop_id)


def actions(b):
    with b.database.read() as tx:
        return sorted(action_rows.get_actions_for_loop(tx, b.loop_id), key=lambda a: a.id)


async def test_a_converging_decision_ends_the_run(tmp_path):
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        loop = await b.run()
        assert b.loop().owner is None
    assert (loop.state, loop.outcome, loop.condition) == (LoopState.COMPLETED, Outcome.CONVERGED, Condition.IN_SYNC)
    assert loop.iteration_count == 1


async def test_the_decision_and_its_actions_are_stored_before_the_first_effect(tmp_path):
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(act("touch"), DONE), modules=modules) as b:
        seen = {}

        def check_rows(call):
            with b.database.read() as tx:
                iteration = loop_rows.open_iteration(tx, b.loop_id)
                assert iteration is not None
                rows = action_rows.get_actions_for_iteration(tx, iteration.id)
            seen.update(decision=iteration.decision, state=rows[0].state)
            return ok(changed=True)

        modules.handlers["touch"] = check_rows
        await b.run()
    assert seen["decision"].actions == [ActionSpec(module="touch")]
    assert seen["state"] is ActionState.RUNNING


async def test_a_failed_action_is_recorded_with_its_output(tmp_path):
    modules = ScriptedModules()
    modules.handlers["shell"] = lambda call: failed("exit 3", rc=3, stdout="some", stderr="went wrong")
    with bench(tmp_path, ScriptedDecider(act("shell")), modules=modules, max_iterations=2) as b:
        loop = await b.run()
        rows = actions(b)
    assert loop.outcome is Outcome.NOT_CONVERGED
    assert loop.state is LoopState.FAILED
    assert "exit 3" in (loop.reason or "")
    assert [(row.state, row.rc, row.stdout.shown, row.stderr.shown) for row in rows] == [
        (ActionState.FAILED, 3, "some", "went wrong")
    ] * 2
    assert loop.failed_count == 2


async def test_a_group_is_one_row_for_each_host_with_its_own_result(tmp_path):
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})
    modules.handlers["touch"] = lambda call: ok(changed=True) if call.host == "a" else failed("unreachable")
    decision = Decision(actions=[ActionSpec(module="touch", host="web")])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        await b.run()
        rows = actions(b)
    assert [(row.host, row.target, row.n, row.state) for row in rows] == [
        ("a", "web", 1, ActionState.SUCCEEDED),
        ("b", "web", 1, ActionState.FAILED),
    ]


async def test_an_unknown_host_is_a_failed_action_with_a_reason(tmp_path):
    decision = Decision(actions=[ActionSpec(module="touch", host="nowhere")])
    with bench(tmp_path, ScriptedDecider(decision, DONE)) as b:
        await b.run()
        (row,) = actions(b)
    assert row.state is ActionState.FAILED
    assert "cannot find the host or group 'nowhere'" in (row.error or "")


async def test_a_failure_does_not_keep_the_remaining_actions_from_running(tmp_path):
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("no")
    with bench(tmp_path, ScriptedDecider(act("bad", "good"), DONE), modules=modules) as b:
        await b.run()
        states = [(row.module, row.state) for row in actions(b)]
    assert states == [("bad", ActionState.FAILED), ("good", ActionState.SUCCEEDED)]


async def test_blocked_ends_at_once_with_its_reason(tmp_path):
    with bench(tmp_path, ScriptedDecider(Decision(blocked="there is no such disk"))) as b:
        loop = await b.run()
    assert (loop.state, loop.outcome, loop.reason) == (LoopState.BLOCKED, Outcome.BLOCKED, "there is no such disk")
    assert loop.iteration_count == 1


async def test_a_model_failure_has_its_own_outcome_and_takes_one_iteration(tmp_path):
    class Broken(ScriptedDecider):
        async def decide(self, situation, calls):
            raise DeciderFailed("cannot reach the model", CallOutcome.UNREACHABLE)

    with bench(tmp_path, Broken(DONE)) as b:
        loop = await b.run()
        (iteration,) = history(b)
    assert (loop.state, loop.outcome, loop.reason) == (
        LoopState.FAILED,
        Outcome.MODEL_FAILED,
        "cannot reach the model",
    )
    assert iteration.outcome is IterationOutcome.MODEL_FAILED
    assert loop.condition is not Condition.IN_SYNC


async def test_dry_run_is_a_preview_that_ends_and_touches_nothing(tmp_path):
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(act("touch")), modules=modules, dry_run=True) as b:
        loop = await b.run()
        (row,) = actions(b)
    assert modules.ran("touch") == []
    assert row.state is ActionState.PREVIEWED
    assert (loop.state, loop.outcome, loop.iteration_count) == (LoopState.COMPLETED, Outcome.PREVIEWED, 1)


async def test_policy_denies_before_the_module_is_reached_and_the_run_ends_denied(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no shells here\n")
    modules = ScriptedModules()
    decider = ScriptedDecider(act("shell"), is_model=True)
    with bench(tmp_path, decider, modules=modules, policy=str(policy)) as b:
        loop = await b.run()
        rows = actions(b)
    assert modules.ran("shell") == []
    assert {row.state for row in rows} == {ActionState.DENIED}
    assert "no shells here" in (rows[0].error or "")
    assert loop.outcome is Outcome.DENIED
    assert loop.iteration_count == 2
    assert decider.situations[1].past[0].actions[0].state is ActionState.DENIED


async def test_a_policy_against_shell_still_permits_observations(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no shells here\n")
    modules = ScriptedModules()
    modules.handlers["command"] = lambda call: ok(rc=0, stdout="seen")
    decider = ScriptedDecider(DONE, observe=[ObservationSpec(name="uptime", module="command")])
    with bench(tmp_path, decider, modules=modules, policy=str(policy)) as b:
        await b.run()
    assert decider.situations[0].state["uptime"]["stdout"] == "seen"


async def test_a_question_is_a_row_and_its_answer_reaches_the_next_decision(tmp_path):
    """It arrives without another question and without a scolding."""
    ask = Decision(reasoning="a choice is needed", ask=Ask(question="Which port?", options=["80", "8080"]))
    decider = ScriptedDecider(ask, DONE)
    people = ScriptedPeople(["8080"])
    with bench(tmp_path, decider, people=people) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    (answer,) = decider.situations[1].answers
    assert (answer.question, answer.answer, answer.answered_by) == ("Which port?", "8080", "tester")
    assert people.asked[0].context == "a choice is needed"
    assert decider.situations[1].past[0].outcome == "asked"


async def test_without_an_answer_the_loop_waits_and_resumes_with_the_same_question(tmp_path):
    ask = Decision(ask=Ask(question="Which port?"))
    decider = ScriptedDecider(ask, DONE)
    with bench(tmp_path, decider) as b:
        loop = await b.run()
        assert (loop.state, loop.outcome, loop.open_prompts) == (LoopState.WAITING, None, 1)
        b.people.replies.append("80")
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert len(decider.situations) == 2
    assert [event.kind for event in b.events].count("prompt.asked") == 1


async def test_too_many_failures_in_a_row_make_it_ask(tmp_path):
    """The limit counts failed actions as they really are, and it is enforced."""
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    people = ScriptedPeople(["stop"])
    with bench(tmp_path, ScriptedDecider(act("bad")), modules=modules, people=people, max_ask_delay=2) as b:
        loop = await b.run()
    assert len(modules.ran("bad")) == 2
    assert "2 iterations in a row" in people.asked[0].question
    assert loop.outcome is Outcome.BLOCKED


@pytest.mark.parametrize("delay", [2, 3, 4, 10])
async def test_a_limit_of_failures_that_the_iterations_do_not_reach_asks_before_the_last_one(tmp_path, delay):
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    people, values = ScriptedPeople(["continue"]), {"max_ask_delay": delay, "max_iterations": 4}
    with bench(tmp_path, ScriptedDecider(act("bad")), modules=modules, people=people, **values) as b:
        await b.run()
    assert "2 iterations in a row" in people.asked[0].question
    assert len(modules.ran("bad")) == 3


@pytest.mark.parametrize(("mode", "iterations", "delay"), [
    (Mode.SINGLE, 1, 1), (Mode.SINGLE, 3, 1), (Mode.SINGLE, 20, 10), (Mode.CONTINUOUS, 4, 10),
])  # fmt: skip
def test_failures_of_a_continuous_loop_count_over_its_runs(mode, iterations, delay):
    assert ask_delay(spec(mode=mode, max_iterations=iterations, max_ask_delay=10)) == delay


async def test_state_operations_are_applied_without_actions_and_with_convergence(tmp_path):
    first = Decision(state_ops=[StateOp(op="add_host", name="web1", ansible_host="10.0.0.1")])
    last = Decision(converged=True, state_ops=[StateOp(op="add_resource", name="lb", data={"id": 7})])
    decider = ScriptedDecider(first, last)
    modules = ScriptedModules()
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        assert [host.name for host in decider.situations[1].hosts] == ["web1"]
        assert "web1" in modules.groups
    assert b.data("state.changed") == [{"op": "add_host", "name": "web1"}, {"op": "add_resource", "name": "lb"}]


async def test_requested_observations_arrive_in_the_next_iteration(tmp_path):
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output={"exists": True})
    first = Decision(observe=[ObservationSpec(name="motd", module="stat", params={"path": "/etc/motd"})])
    decider = ScriptedDecider(first, DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
    assert decider.situations[1].state["motd"]["exists"] is True


async def test_a_failed_observation_is_shown_as_failed(tmp_path):
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: failed("permission denied")
    decider = ScriptedDecider(DONE, observe=[ObservationSpec(name="motd", module="stat")])
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
    (seen,) = decider.situations[0].seen
    assert (seen.success, seen.error) == (False, "permission denied")
    assert b.data("iteration.observed")[0]["failed"][0]["error"] == "permission denied"


async def test_an_action_whose_supervisor_died_is_unknown_in_the_next_decision(tmp_path):
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: failed("the helper process ended without a reply", lost=True)
    decider = ScriptedDecider(act("touch"), DONE, observe=[ObservationSpec(name="page", module="stat")])
    with bench(tmp_path, decider, modules=modules) as b:
        loop = await b.run()
        (row,) = actions(b)
        assert (row.state, row.error) == (ActionState.UNKNOWN, "the helper process ended without a reply")
        assert b.data("action.lost")[0]["reason"] == "the helper process ended without a reply"
        assert "action.failed" not in b.kinds()
    assert len(modules.ran("stat")) == 2
    assert [one.id for one in decider.situations[1].unknown] == [row.id]
    assert loop.outcome is Outcome.CONVERGED


async def test_iterations_follow_each_other_without_a_fixed_pause(tmp_path: Path):
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: ok(changed=True)
    started = time.monotonic()
    with bench(tmp_path, ScriptedDecider(Decision(actions=[ActionSpec(module="touch")])), modules=modules) as b:
        loop = await b.run()
    assert loop.iteration_count == 10
    assert time.monotonic() - started < 10 * 1.0
