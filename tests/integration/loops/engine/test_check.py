"""Recorded checks: what they observe and when they let a loop count as in sync."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.decision import Check, Decision, Expectation, ObservationSpec, Operator
from ftl2_enterprise.protocol.loops.nouns import Mode
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import continuous

PAGE = ObservationSpec(name="page", module="stat", params={"path": "/a"})


def sees(call):
    return ok(output={"exists": call.params.get("path") == "/b"})


async def test_a_check_without_expectations_is_ignored(tmp_path):
    decider = ScriptedDecider(Decision(converged=True, check=Check(observe=[PAGE], expect=[])), is_model=True)
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        await continuous(b, 2)
    assert len(decider.situations) == 2


async def test_a_check_uses_its_own_observations_and_no_others_of_the_same_name(tmp_path):
    check = Check(observe=[PAGE], expect=[Expectation(observation="page", path="exists", value=True)])
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


async def test_a_check_with_a_denied_observation_is_not_in_sync(tmp_path):
    check = Check(observe=[PAGE], expect=[Expectation(observation="page", path="exists", op=Operator.ABSENT)])
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


async def test_observations_requested_by_a_converging_decision_are_made_until_the_next_one(tmp_path):
    check = Check(observe=[PAGE], expect=[Expectation(observation="page", path="exists", value=True)])
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
