"""Actions: each keeps its own outcome and output, and one that was not executed never counts as a change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult, StopSignal
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, Condition, LoopState, Outcome
from tests.support.data import awkward
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.runs import actions

DONE = Decision(converged=True)


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


async def test_a_resumed_decider_gets_the_host_of_each_action(tmp_path):
    modules = ScriptedModules({"web1": [], "web2": []})
    modules.handlers["shell"] = lambda call: failed("exit 1", rc=1, stderr=f"printed by {call.host}")
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
        past_iterations = b.decider.situations[0].past
    assert [(row.host, row.target, row.rc, row.stderr.shown) for past in past_iterations for row in past.actions] == [
        ("web2", "web2", 1, "printed by web2")
    ] * 2


@pytest.mark.parametrize(
    ("spec", "decision", "state"),
    [
        ({}, Decision(actions=[ActionSpec(module="shell", host="nowhere")]), ActionState.FAILED),
        ({}, Decision(actions=[ActionSpec(module="wait")]), ActionState.FAILED),
        ({"policy": "policy.yaml"}, Decision(actions=[ActionSpec(module="shell")]), ActionState.DENIED),
        ({"dry_run": True}, Decision(actions=[ActionSpec(module="shell")]), ActionState.PREVIEWED),
    ],
)
async def test_actions_that_were_never_run_are_neither_changed_nor_succeeded(tmp_path, spec, decision, state):
    (tmp_path / "policy.yaml").write_text("rules: [{decision: deny, match: {module: shell}, reason: never}]\n")
    given: dict[str, Any] = {key: str(tmp_path / value) if key == "policy" else value for key, value in spec.items()}
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


async def test_an_action_with_params_and_a_result_that_json_cannot_hold_is_run_and_recorded(tmp_path):
    modules = ScriptedModules()
    modules.handlers["odd"] = lambda call: ok(changed=True, output=awkward.NOT_JSON)
    decision = Decision(actions=[ActionSpec(module="odd", params=awkward.NOT_JSON)])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules) as b:
        loop = await b.run()
        (row,) = actions(b)
    assert loop.outcome is Outcome.CONVERGED
    assert row.state is ActionState.SUCCEEDED
    assert row.params["where"] == "/srv"
    (call,) = modules.ran("odd")
    assert call.params["when"] == awkward.NOT_JSON["when"]
