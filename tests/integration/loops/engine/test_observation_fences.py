"""The fence of each observation: what a model, a rule and a manifest may observe with, in a run and in a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.judge import UnfencedCommands
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Observation, ObservationState, Outcome
from tests.support.loops.engine import Bench, ScriptedDecider, ScriptedModules, bench
from tests.support.loops.runs import iterations

if TYPE_CHECKING:
    from pathlib import Path

DONE = Decision(converged=True)
SHELL = ObservationSpec(name="seen", module="shell", params={"cmd": "id"})


def observed(b: Bench) -> list[Observation]:
    with b.database.read() as tx:
        rows = [row for one in iterations(b) for row in observation_rows.get_observations(tx, one.id)]
    return rows[:1]


def cannot_fence(call: ModuleCall) -> ModuleResult:
    """A host without a sandbox: a fenced call is not made."""
    if call.fence is Fence.SANDBOX:
        return ModuleResult(success=False, error="cannot run it fenced: no namespaces", cannot_fence="no namespaces")
    return ModuleResult(success=True, rc=0, stdout="uid=0", changed=True)


@pytest.mark.parametrize(
    ("module", "params", "fence"),
    [
        ("shell", {"cmd": "id"}, Fence.SANDBOX),
        ("stat", {"path": "/x"}, Fence.READING),
        ("unit", {"name": "nginx"}, Fence.READING),
        ("copy", {"dest": "/x", "content": "y"}, Fence.CHECK_MODE),
        ("lineinfile", {"path": "/x", "line": "y", "create": True}, Fence.CHECK_MODE),
    ],
)
async def test_a_model_observes_within_a_fence(
    tmp_path: Path, module: str, params: dict[str, Any], fence: Fence
) -> None:
    modules = ScriptedModules()
    first = Decision(observe=[ObservationSpec(name="seen", module=module, params=params)])
    with bench(tmp_path, ScriptedDecider(first, DONE, is_model=True), modules=modules) as b:
        await b.run()
    assert [call.fence for call in modules.calls] == [fence]


@pytest.mark.parametrize("module", ["reboot", "script", "raw", "expect", "acme.tools.unknown"])
async def test_what_may_change_a_host_is_not_an_observation(tmp_path: Path, module: str) -> None:
    modules = ScriptedModules()
    first = Decision(observe=[ObservationSpec(name="seen", module=module)])
    with bench(tmp_path, ScriptedDecider(first, DONE, is_model=True), modules=modules) as b:
        await b.run()
        (row,) = observed(b)
    assert modules.calls == []
    assert row.state is ObservationState.FAILED
    assert (row.error or "").startswith(f"cannot observe with {module}: ")


async def test_a_name_with_options_for_a_program_is_refused(tmp_path: Path) -> None:
    modules = ScriptedModules()
    first = Decision(observe=[ObservationSpec(name="seen", module="systemd", params={"name": "x' -H 'evil'"})])
    with bench(tmp_path, ScriptedDecider(first, DONE, is_model=True), modules=modules) as b:
        await b.run()
        (row,) = observed(b)
    assert modules.calls == []
    assert (row.error or "").startswith("cannot observe the unit x' -H 'evil': ")


async def test_a_person_observes_with_a_command_as_it_is_written(tmp_path: Path) -> None:
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE, observe=[SHELL]), modules=modules) as b:
        await b.run()
    assert [call.fence for call in modules.calls] == [Fence.NONE]


async def test_what_kept_a_call_from_changing_its_host_is_in_its_result(tmp_path: Path) -> None:
    decider = ScriptedDecider(
        DONE, observe=[SHELL, ObservationSpec(name="path", module="path", params={"path": "/"})]
    )
    with bench(tmp_path, decider) as b:
        await b.run()
    assert decider.situations[0].state["seen"]["fence"] == "none"
    assert "fence" not in decider.situations[0].state["path"]


@pytest.mark.parametrize(
    ("setting", "state", "runs"),
    [
        (UnfencedCommands.DENY, ObservationState.DENIED, 0),
        (UnfencedCommands.ASK, ObservationState.DENIED, 0),
        (UnfencedCommands.ALLOW, ObservationState.SUCCEEDED, 1),
    ],
)
async def test_a_models_command_on_a_host_without_a_sandbox(
    tmp_path: Path, setting: UnfencedCommands, state: ObservationState, runs: int
) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = cannot_fence
    decider = ScriptedDecider(Decision(observe=[SHELL]), DONE, is_model=True)
    with bench(tmp_path, decider, modules=modules, limits=RunLimits(unfenced_commands=setting)) as b:
        await b.run()
        (row,) = observed(b)
    assert row.state is state
    assert sum(call.fence is Fence.NONE for call in modules.calls) == runs
    if runs:
        assert decider.situations[1].state["seen"]["fence"] == "none"
    else:
        assert "no namespaces" in (row.error or "")


async def test_a_rule_about_actions_applies_to_a_model_without_a_fence(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n  - decision: deny\n    match: {module: shell}\n    reason: no shell\n")
    modules = ScriptedModules()
    modules.handlers["shell"] = cannot_fence
    decider = ScriptedDecider(Decision(observe=[SHELL]), DONE, is_model=True)
    limits = RunLimits(unfenced_commands=UnfencedCommands.ALLOW)
    with bench(tmp_path, decider, modules=modules, limits=limits, policy=str(policy)) as b:
        await b.run()
        (row,) = observed(b)
    assert row.state is ObservationState.DENIED
    assert "no shell" in (row.error or "")
    assert all(call.fence is Fence.SANDBOX for call in modules.calls)


async def test_in_a_dry_run_nothing_runs_without_a_fence(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = cannot_fence
    decider = ScriptedDecider(DONE, observe=[SHELL])
    with bench(tmp_path, decider, modules=modules, dry_run=True) as b:
        await b.run()
        (row,) = observed(b)
    assert [call.fence for call in modules.calls] == [Fence.SANDBOX]
    assert (row.error or "").startswith("not checked: ")


async def test_with_run_checks_a_persons_check_runs_in_a_dry_run(tmp_path: Path) -> None:
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE, observe=[SHELL]), modules=modules, dry_run=True, run_checks=True) as b:
        await b.run()
    assert [call.fence for call in modules.calls] == [Fence.NONE]


async def test_a_persons_check_that_fails_in_the_sandbox_is_unknown(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = lambda _: ModuleResult(success=False, rc=1, error="exit status 1", fenced=True)
    decider = ScriptedDecider(DONE, observe=[SHELL])
    with bench(tmp_path, decider, modules=modules, dry_run=True) as b:
        await b.run()
    state = decider.situations[0].state["seen"]
    assert "rc" not in state
    assert state["error"].startswith("not known in a dry run: exit status 1")
    assert state.get("fence") != "none"


BLIND = """rules:
  - decision: deny
    match: {module: "*"}
    applies_to: [observations]
    reason: blind
"""


async def test_a_model_that_only_gets_denials_ends_as_denied(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BLIND)
    decider = ScriptedDecider(Decision(observe=[SHELL]), is_model=True)
    with bench(tmp_path, decider, policy=str(tmp_path / "policy.yaml")) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.DENIED
    assert "blind" in (loop.reason or "")
    assert len(decider.situations) <= 3


async def test_a_decider_without_a_model_ends_as_denied_at_once(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BLIND)
    decider = ScriptedDecider(Decision(reasoning="not every step could be observed"), observe=[SHELL])
    with bench(tmp_path, decider, policy=str(tmp_path / "policy.yaml")) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.DENIED
    assert len(decider.situations) == 1
