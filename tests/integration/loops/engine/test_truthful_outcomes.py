"""What a loop says after a crash, an unexpected failure, a stop or a changed policy is still the truth."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.engine import reconcile
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import DeciderFailed, StopSignal
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    loops as loop_rows,
    observations as observation_rows,
    prompts,
)
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.decision import (
    ActionSpec,
    Ask,
    Check,
    Decision,
    Expectation,
    ObservationSpec,
    Operator,
    StateOp,
)
from ftl2_enterprise.protocol.loops.facts import LoopPaused
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Condition,
    IterationOutcome,
    IterationState,
    LoopState,
    Mode,
    ObservationState,
    Outcome,
)
from tests.support.engine import Bench, ScriptedDecider, ScriptedModules, ScriptedPeople, bench, failed, ok
from tests.support.facts import sample

if TYPE_CHECKING:
    from pathlib import Path

DONE = Decision(converged=True, reasoning="all is well")
LOOK = ObservationSpec(name="page", module="stat", params={"path": "/a"})


class Crash(BaseException):
    """The process ends here: nothing may catch it."""


def act(*modules: str, **fields) -> Decision:
    return Decision(actions=[ActionSpec(module=module) for module in modules], **fields)


def rule(tmp_path: Path, name: str, action: str, condition: str = "True") -> str:
    directory = tmp_path / "rules"
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.py").write_text(
        f'"""Mends {name}."""\nimport asyncio\nobserve = []\n\n'
        f"async def condition(state):\n    return {condition}\n\n"
        f"async def action(ftl):\n    {action}\n"
    )
    return str(directory)


def deny(tmp_path: Path, module: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- decision: deny\n  match: {{module: {module}}}\n  reason: forbidden here\n")
    return str(path)


def iterations(b: Bench):
    with b.database.read() as tx:
        return loop_rows.get_iterations(tx, b.loop_id)


def outcomes(b: Bench) -> list[IterationOutcome | None]:
    return [one.outcome for one in iterations(b)]


def actions(b: Bench) -> list[Action]:
    with b.database.read() as tx:
        return sorted(action_rows.get_actions_for_loop(tx, b.loop_id), key=lambda one: one.id)


def states(b: Bench) -> list[tuple[str, ActionState]]:
    return [(one.module, one.state) for one in actions(b)]


async def crashes_at(b: Bench, monkeypatch, point: FaultPoint) -> None:
    """Run until the point is reached and the process ends there."""

    def reach(reached: FaultPoint) -> None:
        if reached is point:
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "reach", reach)
        with pytest.raises(Crash):
            await b.run()


# --- unexpected failures -------------------------------------------------------------------------------------------


async def test_an_unexpected_failure_ends_the_loop_as_failed_under_an_id_and_it_can_be_resumed(tmp_path):
    password = "password=hunter2222"

    def broken(situation):
        raise ZeroDivisionError(password)

    decider = ScriptedDecider(broken, DONE)
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        with pytest.raises(process.Crashed, match="ZeroDivisionError") as caught:
            await b.run()
        loop = b.loop()
        assert (loop.state, loop.outcome, loop.condition) == (LoopState.FAILED, Outcome.FAILED, Condition.UNKNOWN)
        assert loop.reason == f"internal error {caught.value.crash_id}"
        assert loop.reason in str(caught.value)
        # Nothing that is logged with it goes around the redaction.
        assert "hunter2222" not in "".join(traceback.format_exception(caught.value))
        (iteration,) = iterations(b)
        assert (iteration.state, iteration.outcome) == (IterationState.ENDED, IterationOutcome.FAILED)
        b.database.listen(lambda event: b.stop.ask() if event.kind == "loop.rested" else None)
        assert (await b.run()).condition is Condition.IN_SYNC


async def test_what_was_in_flight_at_an_unexpected_failure_is_unknown_and_the_rest_is_skipped(tmp_path):
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})

    def handler(call):
        if call.host == "a":
            raise RuntimeError("a bug")
        return asyncio.sleep(60)

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


async def test_bad_input_that_turns_up_during_a_run_ends_it_with_its_sentence(tmp_path):
    def broken(situation):
        raise Problem(Code.INVALID, "cannot read rules.json: it is damaged")

    with bench(tmp_path, ScriptedDecider(broken)) as b:
        loop = await b.run()
    assert (loop.state, loop.outcome) == (LoopState.FAILED, Outcome.FAILED)
    assert loop.reason == "cannot read rules.json: it is damaged"


async def test_a_database_that_cannot_be_written_leaves_the_loop_to_be_resumed(tmp_path):
    def broken(situation):
        raise Problem(Code.UNAVAILABLE, "cannot write: the disk is full")

    with bench(tmp_path, ScriptedDecider(broken, DONE)) as b:
        with pytest.raises(Problem, match="disk is full"):
            await b.run()
        assert b.loop().state is LoopState.RUNNING
        loop = await b.run()
    assert (loop.outcome, loop.iteration_count) == (Outcome.CONVERGED, 1)


async def test_giving_back_a_loop_that_another_process_has_taken_is_silent(tmp_path):
    with bench(tmp_path, ScriptedDecider(DONE)) as b:
        late = process.claim(b.database, b.loop_id)
        process.claim(b.database, b.loop_id)
        before = b.loop()
        process.release(late)
        assert b.loop() == before


# --- crashes between the end of an iteration and the end of its run ------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        (DONE, Outcome.CONVERGED),
        (Decision(blocked="no such disk"), Outcome.BLOCKED),
    ],
)
async def test_a_run_that_was_settled_before_a_crash_ends_as_it_was_settled(tmp_path, monkeypatch, decision, outcome):
    decider = ScriptedDecider(decision)
    with bench(tmp_path, decider, max_iterations=1) as b:
        await crashes_at(b, monkeypatch, FaultPoint.ITERATION_ENDED)
        loop = await b.run()
        assert b.kinds().count("loop.converged") == (outcome is Outcome.CONVERGED)
    assert (loop.outcome, loop.reason) == (outcome, decision.blocked)
    assert len(decider.situations) == 1


async def test_a_run_that_was_settled_long_before_the_crash_was_noticed_is_looked_at_again(tmp_path, monkeypatch):
    decider = ScriptedDecider(DONE)
    with bench(tmp_path, decider, max_iterations=1, limits=RunLimits(stale_after=0.0)) as b:
        await crashes_at(b, monkeypatch, FaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.outcome, loop.run) == (Outcome.CONVERGED, 2)
    assert len(decider.situations) == 2


async def test_a_model_failure_before_a_crash_is_not_told_as_too_few_iterations(tmp_path, monkeypatch):
    def fails(situation):
        raise DeciderFailed("cannot reach the model")

    with bench(tmp_path, ScriptedDecider(fails), max_iterations=1) as b:
        await crashes_at(b, monkeypatch, FaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.outcome, loop.reason) == (Outcome.MODEL_FAILED, "cannot reach the model")


async def test_a_person_who_said_stop_before_a_crash_is_heard(tmp_path, monkeypatch):
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    decider = ScriptedDecider(act("bad"))
    with bench(tmp_path, decider, modules=modules, max_ask_delay=1) as b:
        loop = await b.run()
        assert loop.state is LoopState.WAITING
        b.people.replies.append("stop")
        await crashes_at(b, monkeypatch, FaultPoint.ITERATION_ENDED)
        loop = await b.run()
    assert (loop.state, loop.outcome) == (LoopState.BLOCKED, Outcome.BLOCKED)
    assert loop.reason == "stopped by tester after repeated failures"
    assert len(modules.ran("bad")) == 1


async def test_a_dismissed_question_whether_to_go_on_is_no_leave_to_go_on(tmp_path):
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


async def test_state_operations_are_there_only_with_their_decision(tmp_path, monkeypatch):
    def crash(*_, **__):
        raise Crash

    op = StateOp(op="add_resource", name="lb", data={"id": 7})
    for n, last in enumerate((
        Decision(converged=True, state_ops=[op]),
        Decision(blocked="no", state_ops=[op]),
        Decision(ask=Ask(question="Which?"), state_ops=[op]),
        Decision(state_ops=[op]),
    )):  # fmt: skip
        directory = tmp_path / str(n)
        directory.mkdir()
        with bench(directory, ScriptedDecider(last)) as b:
            with monkeypatch.context() as patched:
                patched.setattr(loop_rows, "move_iteration", crash)
                with pytest.raises(Crash):
                    await b.run()
            with b.database.read() as tx:
                assert host_rows.get_resources(tx, b.loop_id) == []


async def test_state_operations_and_the_end_of_their_iteration_are_one(tmp_path, monkeypatch):
    def crash(*_, **__):
        raise Crash

    decision = Decision(actions=[ActionSpec(module="touch")], state_ops=[StateOp(op="add_resource", name="lb")])
    with bench(tmp_path, ScriptedDecider(decision, DONE)) as b:
        with monkeypatch.context() as patched:
            patched.setattr(run_units, "end_iteration", crash)
            with pytest.raises(Crash):
                await b.run()
        await b.run()
        assert b.data("state.changed") == [{"op": "add_resource", "name": "lb"}]


# --- budgets and how runs end --------------------------------------------------------------------------------------


async def test_an_interrupted_iteration_is_not_one_of_the_budget(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(act("first"), DONE)
    with bench(tmp_path, decider, modules=modules, max_iterations=1) as b:

        async def hang():
            b.stop.ask()
            b.stop.ask()
            await asyncio.Event().wait()

        modules.handlers["first"] = lambda call: hang()
        await b.run()
        b.stop = StopSignal()
        loop = await b.run()
        started = b.data("iteration.started")
    assert loop.outcome is Outcome.CONVERGED
    assert [(one["in_run"], one["of"]) for one in started] == [(1, 1), (1, 1)]
    assert decider.situations[1].iteration == 1


async def test_a_denial_before_the_last_iteration_is_not_how_the_run_ended(tmp_path):
    decider = ScriptedDecider(act("shell"), act("touch"))
    with bench(tmp_path, decider, policy=deny(tmp_path, "shell"), max_iterations=2) as b:
        loop = await b.run()
        assert outcomes(b) == [IterationOutcome.DENIED, IterationOutcome.ACTED]
    assert loop.outcome is Outcome.NOT_CONVERGED


async def test_a_loop_stopped_between_iterations_goes_on_with_the_same_run(tmp_path):
    decider = ScriptedDecider(act("touch", reasoning="first"), DONE)
    with bench(tmp_path, decider) as b:
        remove = b.database.listen(lambda event: b.stop.ask() if event.kind == "iteration.ended" else None)
        assert (await b.run()).state is LoopState.PAUSED
        remove()
        b.stop = StopSignal()
        loop = await b.run()
    assert (loop.run, loop.outcome) == (1, Outcome.CONVERGED)
    assert [past.reasoning for past in decider.situations[1].past] == ["first"]


async def test_a_loop_is_not_said_to_be_in_sync_after_a_run_that_did_not_get_there(tmp_path):
    decider = ScriptedDecider(DONE, Decision(reasoning="cannot tell"))
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


async def test_drift_that_needs_an_answer_is_drift(tmp_path):
    ask = Decision(ask=Ask(question="Which?"), unmet=["page is missing"])
    with bench(tmp_path, ScriptedDecider(ask)) as b:
        loop = await b.run()
    assert (loop.state, loop.condition) == (LoopState.WAITING, Condition.DRIFTED)


# --- dry run -------------------------------------------------------------------------------------------------------


async def test_a_dry_run_in_which_nothing_could_be_done_previews_nothing(tmp_path):
    modules = ScriptedModules()
    modules.refused["bad"] = "cannot use bad: it does nothing"
    with bench(tmp_path, ScriptedDecider(act("bad")), modules=modules, dry_run=True, max_iterations=2) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.NOT_CONVERGED
    assert "it does nothing" in loop.reason


async def test_a_dry_run_in_which_a_rule_is_denied_previews_nothing(tmp_path):
    rules = rule(tmp_path, "denied", "await ftl.shell(cmd='x')")
    policy = deny(tmp_path, "shell")
    with bench(tmp_path, ScriptedDecider(DONE), rules_dir=rules, policy=policy, dry_run=True, max_iterations=1) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.DENIED


# --- stops ---------------------------------------------------------------------------------------------------------


async def test_a_stop_while_observing_asks_no_decider_and_fires_no_rule(tmp_path):
    rules = rule(tmp_path, "mender", "await ftl.mend()")
    modules = ScriptedModules()
    for rules_dir in (rules, None):
        directory = tmp_path / str(rules_dir is None)
        directory.mkdir()
        decider = ScriptedDecider(act("touch"), observe=[LOOK])
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
            await asyncio.Event().wait()

        modules.handlers["touch"] = lambda call: hang()
        await b.run()
        found = [state for _, state in states(b)]
    assert found == [ActionState.UNKNOWN] * 2 + [ActionState.PROPOSED] * 2


@pytest.mark.parametrize(
    "action",
    [
        "await ftl.hang()",
        "await asyncio.wait_for(ftl.hang(), 0.05)",
        "asyncio.create_task(ftl.hang()); await asyncio.sleep(0.05)",
    ],
)
async def test_an_action_of_a_rule_never_stays_in_flight_in_an_ended_iteration(tmp_path, action):
    rules = rule(tmp_path, "hanging", action)
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules) as b:

        async def hang():
            if action == "await ftl.hang()":
                b.stop.ask()
                b.stop.ask()
            await asyncio.Event().wait()

        modules.handlers["hang"] = lambda call: hang()
        await asyncio.wait_for(b.run(), 10)
        assert states(b) == [("hang", ActionState.UNKNOWN)]
        assert len(modules.cancelled) == 1
        assert outcomes(b)[0] is IterationOutcome.RULE_FIRED


async def test_a_rule_that_would_end_the_process_is_a_rule_that_failed(tmp_path):
    rules = rule(tmp_path, "a_exits", "raise SystemExit(3)")
    rule(tmp_path, "b_cancels", "raise asyncio.CancelledError")
    rule(tmp_path, "c_talks", "raise ValueError('x' * 100_000)")
    with bench(tmp_path, ScriptedDecider(DONE), rules_dir=rules) as b:
        loop = await asyncio.wait_for(b.run(), 10)
        fired = b.data("rule.fired")
        (error, _) = [one.error for one in iterations(b)]
    assert loop.outcome is Outcome.CONVERGED
    assert [one["success"] for one in fired] == [False] * 3
    assert "exit(3)" in fired[0]["detail"]
    assert len(error) < 3_000


# --- after a stop or crash -----------------------------------------------------------------------------------------


async def test_a_policy_that_was_tightened_while_a_loop_was_stopped_is_heeded(tmp_path):
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


async def test_what_was_stored_redacted_is_not_judged_after_a_crash(tmp_path, monkeypatch):
    """What is left of a text after redaction says nothing about what it held."""
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(rc=0, stdout="password=hunter2222")
    decider = ScriptedDecider(DONE, observe=[LOOK])

    async def crash(*_, **__):
        raise Crash

    with bench(tmp_path, decider, modules=modules) as b:
        with monkeypatch.context() as patched:
            patched.setattr(ScriptedDecider, "decide", crash)
            with pytest.raises(Crash):
                await b.run()
        await b.run()
    assert decider.situations[0].state["page"]["stdout"] == "password=hunter2222"


async def test_a_look_that_was_stored_redacted_is_refused_and_not_taken_otherwise(tmp_path):
    modules = ScriptedModules()
    wanted = ObservationSpec(name="grep", module="command", params={"password": "hunter2222"})
    decider = ScriptedDecider(Decision(observe=[wanted]), DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        with b.database.read() as tx:
            rows = observation_rows.get_observations(tx, iterations(b)[1].id)
    assert modules.calls == []
    assert [row.state for row in rows] == [ObservationState.FAILED]


# --- recorded checks -----------------------------------------------------------------------------------------------


async def continuous(b: Bench, rests: int) -> None:
    left = [rests]

    def listen(event):
        if event.kind == "loop.rested":
            left[0] -= 1
            if left[0] <= 0:
                b.stop.ask()

    remove = b.database.listen(listen)
    await asyncio.wait_for(b.run(), 20)
    remove()
    b.stop = StopSignal()


def sees(call):
    return ok(output={"exists": call.params.get("path") == "/b"})


async def test_a_check_without_expectations_is_none(tmp_path):
    decider = ScriptedDecider(Decision(converged=True, check=Check(observe=[LOOK], expect=[])), is_model=True)
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        await continuous(b, 2)
    assert len(decider.situations) == 2


async def test_a_check_is_judged_by_its_own_looks_and_not_by_others_of_the_same_name(tmp_path):
    check = Check(observe=[LOOK], expect=[Expectation(observation="page", path="exists", value=True)])
    other = ObservationSpec(name="page", module="stat", params={"path": "/b"})
    modules = ScriptedModules()
    modules.handlers["stat"] = sees
    decider = ScriptedDecider(Decision(converged=True, check=check, observe=[other]), is_model=True)
    with bench(tmp_path, decider, modules=modules, mode=Mode.CONTINUOUS, interval=0.01) as b:
        await continuous(b, 2)
    assert len(decider.situations) == 2
    # What the decider asked to see is what it sees.
    assert decider.situations[1].state["page"]["exists"] is True
    assert [one.result["exists"] for one in decider.situations[1].seen] == [True]


async def test_a_denied_look_of_a_check_is_not_in_sync(tmp_path):
    check = Check(observe=[LOOK], expect=[Expectation(observation="page", path="exists", op=Operator.ABSENT)])
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: []\n")
    decider = ScriptedDecider(Decision(converged=True, check=check), is_model=True)
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01, policy=str(policy)) as b:
        await continuous(b, 2)
        assert len(decider.situations) == 1
        policy.write_text(
            "rules:\n- decision: deny\n  match: {module: stat}\n  applies_to: [observations]\n  reason: no\n"
        )
        await continuous(b, 1)
    assert len(decider.situations) == 2


async def test_what_a_converging_decision_asked_to_see_is_seen_until_the_next_decision(tmp_path):
    check = Check(observe=[LOOK], expect=[Expectation(observation="page", path="exists", value=True)])
    extra = ObservationSpec(name="extra", module="stat", params={"path": "/b"})
    world = {"exists": True}
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output=dict(world))
    decider = ScriptedDecider(Decision(converged=True, check=check, observe=[extra]), is_model=True)
    with bench(tmp_path, decider, modules=modules, mode=Mode.CONTINUOUS, interval=0.01) as b:
        await continuous(b, 3)
        assert len(decider.situations) == 1
        world["exists"] = False
        await continuous(b, 1)
    assert "extra" in decider.situations[1].state


# --- questions -----------------------------------------------------------------------------------------------------


async def test_an_answer_that_comes_with_the_deadline_counts(tmp_path, monkeypatch):
    """Somebody answers elsewhere between the last look and the expiry."""
    decider = ScriptedDecider(Decision(ask=Ask(question="Which?", options=["a", "b"], default="a")), DONE)
    from ftl2_enterprise.loops.engine import prompting

    expire = prompting._expire

    def late(engine, prompt):
        with engine.journal.store.write() as tx:
            prompts.answer_prompt(tx, prompt.id, "b", "somebody")
        expire(engine, prompt)

    class Silent(ScriptedPeople):
        async def ask(self, prompt):
            await asyncio.Event().wait()

    monkeypatch.setattr(prompting, "_expire", late)
    with bench(tmp_path, decider, people=Silent(), prompt_timeout=0.01) as b:
        loop = await asyncio.wait_for(b.run(), 10)
    assert loop.outcome is Outcome.CONVERGED
    assert [one.answer for one in decider.situations[1].answers] == ["b"]


# --- rules ---------------------------------------------------------------------------------------------------------


async def test_rules_alone_do_not_say_in_sync_when_one_cannot_be_judged(tmp_path):
    from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider

    rules = rule(tmp_path, "fine", "pass", condition="False")
    with bench(tmp_path, RulesDecider(), rules_dir=rules, max_iterations=1) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
    for n, text in enumerate(("state['nothing']", "(")):
        directory = tmp_path / str(n)
        directory.mkdir()
        rule(tmp_path, "broken", "pass", condition=text)
        with bench(directory, RulesDecider(), rules_dir=rules, max_iterations=1) as b:
            loop = await b.run()
        assert loop.outcome is Outcome.NOT_CONVERGED, text
        assert "broken" in loop.reason


async def test_a_rule_does_not_fire_twice_in_a_row_across_runs_either(tmp_path):
    rules = rule(tmp_path, "always", "await ftl.mend()")
    modules = ScriptedModules()
    decider = ScriptedDecider(Decision(reasoning="not yet"))
    with bench(
        tmp_path, decider, modules=modules, rules_dir=rules, mode=Mode.CONTINUOUS, interval=0.01, max_iterations=1
    ) as b:
        await continuous(b, 4)
    assert len(modules.ran("mend")) == 2


async def test_a_rule_reaches_no_more_hosts_at_once_than_anybody_else(tmp_path):
    rules = rule(tmp_path, "wide", "await ftl['web'].touch()")
    modules = ScriptedModules({f"h{n}": ["web"] for n in range(6)})
    now, most = [0], [0]

    async def touch():
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1
        return ok(changed=True)

    modules.handlers["touch"] = lambda call: touch()
    with bench(
        tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules, limits=RunLimits(parallel_hosts=2)
    ) as b:
        await b.run()
    assert (len(modules.ran("touch")), most[0]) == (6, 2)


# --- what is left --------------------------------------------------------------------------------------------------


async def test_a_dry_run_that_would_only_remember_something_is_a_preview(tmp_path):
    decision = Decision(state_ops=[StateOp(op="add_resource", name="lb")])
    with bench(tmp_path, ScriptedDecider(decision), dry_run=True) as b:
        loop = await b.run()
        with b.database.read() as tx:
            assert host_rows.get_resources(tx, b.loop_id) == []
    assert (loop.outcome, loop.iteration_count) == (Outcome.PREVIEWED, 1)


async def test_a_loop_that_was_paused_while_it_waited_still_takes_its_answer(tmp_path):
    decider = ScriptedDecider(Decision(ask=Ask(question="Which port?")), DONE)
    with bench(tmp_path, decider) as b:
        await b.run()
        journal = process.claim(b.database, b.loop_id)
        with b.database.write() as tx:
            loop_rows.move_loop(tx, b.loop_id, journal.generation, sample(LoopPaused))
        process.release(journal)
        loop = await b.run()
        assert loop.state is LoopState.WAITING
        b.people.replies.append("80")
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert b.kinds().count("prompt.asked") == 1


async def test_a_second_stop_while_observing_leaves_no_look_in_flight(tmp_path):
    modules = ScriptedModules()
    decider = ScriptedDecider(DONE, observe=[LOOK])
    with bench(tmp_path, decider, modules=modules) as b:

        async def hang():
            b.stop.ask()
            b.stop.ask()
            await asyncio.Event().wait()

        modules.handlers["stat"] = lambda call: hang()
        loop = await b.run()
        with b.database.read() as tx:
            (row,) = observation_rows.get_observations(tx, iterations(b)[0].id)
        assert (loop.state, row.state) == (LoopState.PAUSED, ObservationState.UNKNOWN)
        modules.handlers["stat"] = lambda call: ok()
        b.stop = StopSignal()
        loop = await b.run()
    assert (loop.outcome, loop.iteration_count) == (Outcome.CONVERGED, 1)
