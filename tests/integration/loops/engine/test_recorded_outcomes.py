"""What is recorded of an action or an observation is what happened to it, and to no other."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult, StopSignal
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    loops as loop_rows,
    observations as observation_rows,
    rules as rule_rows,
)
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    IterationOutcome,
    LoopState,
    ObservationState,
    Outcome,
)
from tests.support.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.rules import write_rule

DONE = Decision(converged=True)


def actions(b: Any) -> list[Any]:
    with b.database.read() as tx:
        return sorted(action_rows.get_actions_for_loop(tx, b.loop_id), key=lambda action: action.id)


def iterations(b: Any) -> list[Any]:
    with b.database.read() as tx:
        return loop_rows.get_iterations(tx, b.loop_id)


# --- to whom an outcome belongs ------------------------------------------------------------------------------------


async def test_each_action_keeps_its_own_output_in_the_order_of_the_decision(tmp_path):
    """A directory is not moved to the front, and nothing is paired by position in some other order."""
    modules = ScriptedModules()
    modules.handlers["copy"] = lambda call: failed("no such directory", stdout="out of copy")
    modules.handlers["file"] = lambda call: ok(changed=True, stdout="out of file")
    modules.handlers["shell"] = lambda call: ok(rc=0, stdout="out of shell")
    decision = Decision(
        actions=[
            ActionSpec(module="copy", params={"dest": "/srv/a/b"}),
            ActionSpec(module="shell", params={"cmd": "true"}),
            ActionSpec(module="file", params={"path": "/srv/a", "state": "directory"}),
        ]
    )
    decider = ScriptedDecider(decision, DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        rows = actions(b)
    expected = [
        (1, "copy", ActionState.FAILED, "out of copy"),
        (2, "shell", ActionState.SUCCEEDED, "out of shell"),
        (3, "file", ActionState.SUCCEEDED, "out of file"),
    ]
    assert [(row.n, row.module, row.state, row.stdout.shown) for row in rows] == expected
    shown = decider.situations[1].past[0].actions
    assert [(row.n, row.module, row.state, row.stdout.shown) for row in shown] == expected
    assert [call.module for call in modules.calls] == ["copy", "shell", "file"]


async def test_hosts_that_end_in_another_order_than_they_began_keep_their_own_output(tmp_path):
    modules = ScriptedModules({"a": ["web"], "b": ["web"], "c": ["web"]})
    ended = {host: asyncio.Event() for host in "abc"}
    after = {"a": "b", "b": "c", "c": None}

    async def finish(call: ModuleCall) -> ModuleResult:
        if (earlier := after[call.host]) is not None:
            await ended[earlier].wait()
        ended[call.host].set()
        return failed("exit 5", rc=5, stderr="from b") if call.host == "b" else ok(rc=0, stdout=f"from {call.host}")

    modules.handlers["shell"] = finish
    decision = Decision(actions=[ActionSpec(module="shell", params={"cmd": "id"}, host="web")])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        await asyncio.wait_for(b.run(), 20)
        rows = actions(b)
    assert [(row.host, row.rc, row.stdout.shown, row.stderr.shown) for row in rows] == [
        ("a", 0, "from a", ""),
        ("b", 5, "", "from b"),
        ("c", 0, "from c", ""),
    ]


async def test_a_resumed_decider_is_told_on_which_host_each_action_was(tmp_path):
    modules = ScriptedModules({"web1": [], "web2": []})
    modules.handlers["shell"] = lambda call: failed("exit 1", rc=1, stderr=f"said by {call.host}")
    first = Decision(actions=[ActionSpec(module="shell", host="web2")])

    def stop_then_act(_situation: Any) -> Decision:
        b.stop.ask()
        return first

    decider = ScriptedDecider(first, stop_then_act, DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        assert (await b.run()).state is LoopState.PAUSED
        b.stop = StopSignal()
        b.decider = ScriptedDecider(DONE)
        assert (await b.run()).outcome is Outcome.CONVERGED
        told = b.decider.situations[0].past
    assert [(row.host, row.target, row.rc, row.stderr.shown) for past in told for row in past.actions] == [
        ("web2", "web2", 1, "said by web2")
    ] * 2


# --- what must never look like success -----------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("spec", "decision", "state"),
    [
        ({}, Decision(actions=[ActionSpec(module="shell", host="nowhere")]), ActionState.FAILED),
        ({}, Decision(actions=[ActionSpec(module="wait")]), ActionState.FAILED),
        ({"policy": "policy.yaml"}, Decision(actions=[ActionSpec(module="shell")]), ActionState.DENIED),
        ({"dry_run": True}, Decision(actions=[ActionSpec(module="shell")]), ActionState.PREVIEWED),
    ],
)
async def test_what_was_never_run_is_neither_changed_nor_succeeded(tmp_path, spec, decision, state):
    (tmp_path / "policy.yaml").write_text("rules: [{decision: deny, match: {module: shell}, reason: never}]\n")
    given = {key: str(tmp_path / value) if key == "policy" else value for key, value in spec.items()}
    modules = ScriptedModules()
    modules.refused["wait"] = "wait does nothing here"
    with bench(tmp_path, ScriptedDecider(decision), modules=modules, max_iterations=1, **given) as b:
        loop = await b.run()
        (row,) = actions(b)
    assert modules.calls == []
    assert row.state is state
    assert not row.changed
    assert loop.outcome is not Outcome.CONVERGED
    assert loop.condition is not Condition.IN_SYNC
    assert loop.changed_count == 0


# --- observations --------------------------------------------------------------------------------------------------


async def test_a_group_is_observed_on_each_of_its_hosts(tmp_path):
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})
    modules.handlers["command"] = lambda call: ok(rc=0, stdout=call.host)
    decider = ScriptedDecider(DONE, observe=[ObservationSpec(name="who", module="command", host="web")])
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
    assert [one["stdout"] for one in decider.situations[0].state["who"]] == ["a", "b"]


async def test_the_loops_own_observers_are_seen_by_every_decider(tmp_path):
    modules = ScriptedModules()
    modules.handlers["command"] = lambda call: ok(rc=0, stdout="up 3 days")
    decider = ScriptedDecider(DONE)
    observers = [ObservationSpec(name="uptime", module="command", params={"cmd": "uptime"})]
    with bench(tmp_path, decider, modules=modules, observers=observers) as b:
        await b.run()
    assert decider.situations[0].state["uptime"]["stdout"] == "up 3 days"


async def test_an_observation_of_an_unknown_host_fails_by_itself(tmp_path):
    modules = ScriptedModules()
    modules.handlers["command"] = lambda call: ok(rc=0, stdout="fine")
    wanted = [
        ObservationSpec(name="there", module="command", host="nowhere"),
        ObservationSpec(name="here", module="command"),
    ]
    decider = ScriptedDecider(DONE, observe=wanted)
    with bench(tmp_path, decider, modules=modules) as b:
        loop = await b.run()
    state = decider.situations[0].state
    assert state["there"]["failed"] is True
    assert "nowhere" in state["there"]["error"]
    assert state["here"]["stdout"] == "fine"
    assert loop.outcome is Outcome.CONVERGED


# --- values that JSON cannot hold ----------------------------------------------------------------------------------

ODD: dict[str, Any] = {
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "where": Path("/srv"),
    "raw": b"\xff\x00",
    "many": {"b", "a"},
    "nan": float("nan"),
    "far": float("inf"),
    "huge": 10**40,
    "half": "\ud800",
    3: "three",
    None: "nothing",
    "deep": {"error": ValueError("odd")},
}


async def test_an_observation_that_json_cannot_hold_does_not_fail_the_loop(tmp_path):
    modules = ScriptedModules()
    modules.handlers["facts"] = lambda call: ok(output=ODD)
    decider = ScriptedDecider(DONE, observe=[ObservationSpec(name="facts", module="facts")])
    with bench(tmp_path, decider, modules=modules) as b:
        loop = await b.run()
        with b.database.read() as tx:
            (row,) = observation_rows.get_observations(tx, iterations(b)[0].id)
    assert loop.outcome is Outcome.CONVERGED
    assert row.state is ObservationState.SUCCEEDED
    assert "2026-01-02" in row.result.shown
    assert decider.situations[0].state["facts"]["where"] == "/srv"


async def test_an_action_with_params_and_a_result_that_json_cannot_hold_is_run_and_recorded(tmp_path):
    modules = ScriptedModules()
    modules.handlers["odd"] = lambda call: ok(changed=True, output=ODD)
    decision = Decision(actions=[ActionSpec(module="odd", params=ODD)])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        loop = await b.run()
        (row,) = actions(b)
    assert loop.outcome is Outcome.CONVERGED
    assert row.state is ActionState.SUCCEEDED
    assert row.params["where"] == "/srv"
    (call,) = modules.ran("odd")
    assert call.params["when"] == ODD["when"]


async def test_a_rule_may_pass_params_that_json_cannot_hold(tmp_path):
    write_rule(
        tmp_path / "rules",
        "odd",
        head="import pathlib",
        action="await ftl.odd(path=pathlib.Path('/srv'), tags={'a'}, raw=b'x')",
    )
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=str(tmp_path / "rules")) as b:
        loop = await b.run()
        (row,) = actions(b)
        with b.database.read() as tx:
            (fired,) = rule_rows.get_rule_results(tx, iterations(b)[0].id)
    assert loop.outcome is Outcome.CONVERGED
    assert (row.module, row.state, row.params["path"]) == ("odd", ActionState.SUCCEEDED, "/srv")
    assert fired.success is True


# --- never half a record -------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    """The process ends here, as far as the engine can tell."""


class FailingWrites:
    """Lets the nth writing transaction of a database, and all after it, fail at its end."""

    def __init__(self, database: Any, nth: int) -> None:
        self._database, self._nth, self._count = database, nth, 0
        self._write = database.write
        self.struck = False
        database.write = self.write

    def heal(self) -> None:
        self._database.write = self._write

    def write(self) -> Any:
        @contextlib.contextmanager
        def failing() -> Any:
            with self._write() as tx:
                yield tx
                self._count += 1
                if self._count >= self._nth:
                    self.struck = True
                    raise Interrupted

        return failing()


def check_whole(b: Any, iteration: Any) -> Any:
    """An iteration that has ended has a decision, all of its actions, and an end of each of them."""
    if iteration.ended_at is None or iteration.outcome is IterationOutcome.INTERRUPTED:
        return None
    with b.database.read() as tx:
        rows = action_rows.get_actions_for_iteration(tx, iteration.id)
    assert iteration.decision is not None
    if iteration.outcome is IterationOutcome.ACTED:
        assert [(row.n, row.host) for row in rows] == [(1, "a"), (1, "b"), (2, "localhost")]
        assert all(row.state is ActionState.SUCCEEDED and row.stdout.shown == "touched" for row in rows)
    return iteration.outcome


async def test_an_iteration_is_never_half_recorded_whichever_write_fails(tmp_path):
    """Every write of a run fails once; what was ended before it is whole, and going on gets there."""
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})
    modules.handlers["touch"] = lambda call: ok(changed=True, rc=0, stdout="touched")
    act = Decision(reasoning="touch", actions=[ActionSpec(module="touch", host="web"), ActionSpec(module="touch")])
    for number in range(1, 40):
        place = tmp_path / str(number)
        place.mkdir()
        with bench(place, ScriptedDecider(act, DONE), modules=modules) as b:
            failing = FailingWrites(b.database, number)
            with contextlib.suppress(Interrupted):
                await b.run()
            failing.heal()
            whole = [check_whole(b, iteration) for iteration in iterations(b)]
            if not failing.struck:
                assert whole == [IterationOutcome.ACTED, IterationOutcome.CONVERGED]
                assert number > 8
                return
            b.decider = ScriptedDecider(*([act] if not actions(b) else []), DONE)
            loop = b.loop() if b.loop().state is LoopState.COMPLETED else await b.run()
            assert loop.outcome is Outcome.CONVERGED
            for iteration in iterations(b):
                check_whole(b, iteration)
    raise AssertionError("a run does not take that many writes")


async def test_a_blocked_decision_is_recorded_with_its_end_or_not_at_all(tmp_path):
    for number in range(1, 20):
        place = tmp_path / str(number)
        place.mkdir()
        decider = ScriptedDecider(Decision(blocked="no such disk"))
        with bench(place, decider) as b:
            failing = FailingWrites(b.database, number)
            with contextlib.suppress(Interrupted):
                await b.run()
            failing.heal()
            stored = [iteration for iteration in iterations(b) if iteration.decision is not None]
            assert all(iteration.outcome is IterationOutcome.BLOCKED for iteration in stored)
            if not failing.struck:
                assert len(stored) == 1
                return
    raise AssertionError("a run does not take that many writes")
