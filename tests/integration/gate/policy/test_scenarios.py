"""Every known way around a policy is denied: by the gate, and by a loop with real modules, where files prove it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.remote import perform
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec, StateOp
from tests.support.loops.engine import ScriptedDecider, bench
from tests.support.loops.policy_scenario_files import filled, inventory_of, policy_file, prepare
from tests.support.loops.policy_scenarios import FURTHER, KNOWN, SCENARIOS, Scenario

DOCUMENTED = Path(__file__).parents[4] / "docs" / "reference" / "policy.md"
EXECUTED = [one for one in SCENARIOS if one.made and not one.limit]


def ruling(one: Scenario, tmp: Path) -> Ruling:
    """What the gate rules at last, with the paths resolved as a host resolves them."""
    effect = Effect(
        kind=EffectKind.OBSERVATION if one.observes else EffectKind.ACTION,
        origin=Origin.MODEL,
        subject="test:1",
        host=inventory_of(one, tmp).identity(one.host),
        module=canonical(one.module),
        params=filled(dict(one.params), tmp),
    )
    context = gate.GateContext(policies=(load_policy(policy_file(one, tmp)),))
    verdict = gate.judge(effect, context)
    if verdict.permit is None:
        return verdict.ruling
    found = perform._resolve({"paths": gate.paths_to_resolve(effect, context)})["resolved"]
    return gate.judge(gate.with_paths(effect, found), context).ruling


def test_the_table_is_as_large_as_it_claims() -> None:
    assert len(KNOWN) >= 68
    assert len(FURTHER) >= 68
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("one", SCENARIOS, ids=lambda one: one.name)
def test_an_attempt_to_evade_a_rule_is_denied_or_documented(one: Scenario, tmp_path: Path) -> None:
    found = ruling(one, prepare(one, tmp_path))
    if one.limit:
        assert found is Ruling.ALLOW
        assert f"## {one.limit}" in DOCUMENTED.read_text()
    else:
        assert found is Ruling.DENY


@pytest.mark.parametrize("one", EXECUTED, ids=lambda one: one.name)
async def test_a_denied_call_of_a_loop_leaves_nothing(one: Scenario, tmp_path: Path) -> None:
    tmp = prepare(one, tmp_path)
    modules: Any = Ftl2Modules(inventory_of(one, tmp), work_dir=tmp_path / "work", redact=str)
    params = filled(dict(one.params), tmp)
    action = ActionSpec(module=one.module, params=params, host=one.host)
    spec = ObservationSpec(name="x", module=one.module, params=params, host=one.host)
    requested = Decision(observe=[spec]) if one.observes else Decision(actions=[action])
    decider = ScriptedDecider(requested, Decision(converged=True), is_model=True)
    try:
        with bench(tmp_path, decider, modules=modules, policy=str(policy_file(one, tmp)), observers=[]) as b:
            await b.run()
    finally:
        await modules.close()
    assert not (tmp / one.made).exists()


async def test_the_same_calls_leave_something_where_no_rule_denies_them(tmp_path: Path) -> None:
    """Without this, the test above could not fail."""
    left: list[str] = []
    for n, one in enumerate(EXECUTED):
        if one.observes or one.add_hosts:
            continue
        folder = tmp_path / str(n)
        folder.mkdir()
        tmp = prepare(one, folder)
        modules: Any = Ftl2Modules(inventory_of(one, tmp), work_dir=tmp_path / "work", redact=str)
        action = ActionSpec(module=one.module, params=filled(dict(one.params), tmp), host=one.host)
        decider = ScriptedDecider(Decision(actions=[action]), Decision(converged=True))
        with bench(folder, decider, modules=modules, observers=[]) as b:
            await b.run()
        await modules.close()
        left += [one.name] if (tmp / one.made).exists() else []
    assert len(left) >= 40


async def test_a_state_operation_can_be_denied(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: add_host}\n  reason: no new hosts\n")
    decider = ScriptedDecider(
        Decision(state_ops=[StateOp(op="add_host", name="new", ansible_host="10.1.1.1")], converged=True)
    )
    with bench(tmp_path, decider, policy=str(policy), observers=[]) as b:
        await b.run()
        assert "new" not in b.modules.groups
        [refused] = b.data("state.refused")
    assert (
        refused["reason"] == "cannot apply add_host of new: denied by policy rule 1 (policy.yml line 2): no new hosts"
    )
