"""Observations: of groups, by the loop's own observers, of unknown hosts, and of values that JSON cannot hold."""

from __future__ import annotations

from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ObservationState, Outcome
from tests.support.data import awkward
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import iterations

DONE = Decision(converged=True)


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


async def test_an_observation_of_an_unknown_host_fails_alone(tmp_path):
    modules = ScriptedModules()
    modules.handlers["command"] = lambda call: ok(rc=0, stdout="fine")
    observers = [
        ObservationSpec(name="there", module="command", host="nowhere"),
        ObservationSpec(name="here", module="command"),
    ]
    decider = ScriptedDecider(DONE, observe=observers)
    with bench(tmp_path, decider, modules=modules) as b:
        loop = await b.run()
    state = decider.situations[0].state
    assert state["there"]["failed"] is True
    assert "nowhere" in state["there"]["error"]
    assert state["here"]["stdout"] == "fine"
    assert loop.outcome is Outcome.CONVERGED


async def test_an_observation_that_json_cannot_hold_does_not_fail_the_loop(tmp_path):
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output=awkward.NOT_JSON)
    decider = ScriptedDecider(DONE, observe=[ObservationSpec(name="facts", module="stat")])
    with bench(tmp_path, decider, modules=modules) as b:
        loop = await b.run()
        with b.database.read() as tx:
            (row,) = observation_rows.get_observations(tx, iterations(b)[0].id)
    assert loop.outcome is Outcome.CONVERGED
    assert row.state is ObservationState.SUCCEEDED
    assert "2026-01-02" in row.result.shown
    assert decider.situations[0].state["facts"]["where"] == "/srv"


async def test_an_observation_that_was_stored_redacted_is_refused(tmp_path):
    modules = ScriptedModules()
    observer = ObservationSpec(name="grep", module="command", params={"password": "hunter2222"})
    decider = ScriptedDecider(Decision(observe=[observer]), DONE)
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        with b.database.read() as tx:
            rows = observation_rows.get_observations(tx, iterations(b)[1].id)
    assert modules.calls == []
    assert [row.state for row in rows] == [ObservationState.FAILED]
