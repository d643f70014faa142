"""State operations of a decision: they take effect exactly once, and together with their iteration."""

from __future__ import annotations

import pytest

from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec, StateOp
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, ScriptedPeople, bench
from tests.support.loops.runs import Crash, known

DONE = Decision(converged=True)


ADD = StateOp(op="add_host", name="web1", ansible_host="10.0.0.1", ansible_user="ana", groups=["web"])


LB = StateOp(op="add_resource", name="lb", data={"id": 7})


@pytest.mark.parametrize(
    "decision",
    [
        Decision(state_ops=[ADD, LB]),
        Decision(state_ops=[ADD, LB], observe=[ObservationSpec(name="x", module="stat")]),
        Decision(state_ops=[ADD, LB], actions=[ActionSpec(module="touch")]),
        Decision(state_ops=[ADD, LB], ask=Ask(question="Which port?", options=["80"])),
        Decision(state_ops=[ADD, LB], converged=True),
        Decision(state_ops=[ADD, LB], blocked="no such disk"),
    ],
    ids=["alone", "observe", "actions", "ask", "converged", "blocked"],
)
async def test_state_operations_are_applied_with_every_kind_of_decision(tmp_path, decision):
    modules = ScriptedModules()
    people = ScriptedPeople(["80"])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules, people=people) as b:
        await b.run()
        hosts, resources = known(b)
    assert hosts["web1"].ansible_user == "ana"
    assert resources == {"lb": {"id": 7}}
    assert "web1" in modules.groups


async def test_state_operations_with_a_question_are_applied_once_across_processes(tmp_path):
    question = Decision(state_ops=[ADD, LB], ask=Ask(question="Which port?"))
    with bench(tmp_path, ScriptedDecider(question, DONE)) as b:
        assert (await b.run()).state is LoopState.WAITING
        assert known(b)[1] == {"lb": {"id": 7}}
        b.people.replies.append("80")
        assert (await b.run()).outcome is Outcome.CONVERGED
    assert [data["name"] for data in b.data("state.changed")] == ["web1", "lb"]


async def test_a_dry_run_changes_no_registered_state(tmp_path):
    modules = ScriptedModules()
    decision = Decision(state_ops=[ADD, LB], actions=[ActionSpec(module="touch")])
    with bench(tmp_path, ScriptedDecider(decision), modules=modules, dry_run=True) as b:
        await b.run()
        assert known(b) == ({}, {})
    assert "web1" not in modules.groups


async def test_a_host_that_is_removed_is_out_of_the_live_inventory_and_stays_out(tmp_path):
    modules = ScriptedModules()
    reach = Decision(actions=[ActionSpec(module="touch", host="web1")])
    decider = ScriptedDecider(
        Decision(state_ops=[ADD]), reach, Decision(state_ops=[StateOp(op="remove", name="web1")]), reach, DONE
    )
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        assert known(b)[0] == {}
        states = [(data["host"], kind) for kind in ("action.succeeded", "action.failed") for data in b.data(kind)]
    assert states == [("web1", "action.succeeded"), ("web1", "action.failed")]
    assert "cannot find the host or group 'web1'" in b.data("action.failed")[0]["error"]
    assert len(modules.ran("touch")) == 1


async def test_a_removed_host_is_not_registered_again_by_the_next_process(tmp_path):
    decider = ScriptedDecider(
        Decision(state_ops=[ADD]),
        Decision(state_ops=[StateOp(op="remove", name="web1")]),
        Decision(ask=Ask(question="Continue?")),
        DONE,
    )
    with bench(tmp_path, decider) as b:
        assert (await b.run()).state is LoopState.WAITING
        b.modules = ScriptedModules()
        b.people.replies.append("yes")
        await b.run()
    assert list(b.modules.groups) == ["localhost"]


async def test_state_operations_are_committed_only_with_their_decision(tmp_path, monkeypatch):
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


async def test_state_operations_are_committed_with_the_end_of_their_iteration(tmp_path, monkeypatch):
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
