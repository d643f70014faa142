"""A verdict holds when a call begins, not only when it was planned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, Outcome
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import actions, outcomes, write_a_rule

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
    from tests.support.loops.engine import Bench

DONE = Decision(converged=True)
TWO = Decision(
    actions=[ActionSpec(module="copy", host="web"), ActionSpec(module="shell", host="web", params={"cmd": "id"})]
)
DENY_PROD = "rules:\n- decision: deny\n  match: {host: prod}\n  reason: not on prod\n"


def not_on_prod(tmp_path: Path) -> str:
    path = tmp_path / "policy.yml"
    path.write_text(DENY_PROD)
    return str(path)


def states(b: Bench) -> list[tuple[str, ActionState, bool]]:
    return [(row.module, row.state, "policy rule 1" in (row.error or "")) for row in actions(b)]


async def test_an_action_that_is_no_longer_allowed_is_not_begun(tmp_path: Path) -> None:
    modules = ScriptedModules({"web": []})

    def move_to_prod(call: ModuleCall) -> ModuleResult:
        modules.groups["web"] = ("prod",)
        return ok()

    modules.handlers["copy"] = move_to_prod
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules, policy=not_on_prod(tmp_path)) as b:
        await b.run()
        found = states(b)
    assert found == [("copy", ActionState.SUCCEEDED, False), ("shell", ActionState.DENIED, True)]
    assert modules.ran("shell") == []


class SlowModules(ScriptedModules):
    """Hosts that become hosts of `prod` while a call waits for its connection."""

    @override
    async def run(self, call: ModuleCall) -> ModuleResult:
        self.groups[call.host] = ("prod",)
        return await super().run(call)


async def test_an_observation_of_a_host_whose_address_has_changed_since_is_judged_again(tmp_path: Path) -> None:
    modules = ScriptedModules({"web": []})

    def move(call: ModuleCall) -> ModuleResult:
        modules.addresses["web"] = "10.0.0.9"
        return ok()

    modules.handlers["stat"] = move
    two = [ObservationSpec(name=name, module=name, host="web", params={}) for name in ("stat", "slurp")]
    limits = RunLimits(parallel_hosts=1)
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, observers=two, limits=limits) as b:
        published = Policy(is_site=True)
        b.site = lambda: published
        ended = await b.run()
    assert ended.outcome is Outcome.CONVERGED
    assert [call.module for call in modules.calls] == ["stat", "slurp"]


async def test_a_call_is_checked_once_more_when_it_is_about_to_be_sent(tmp_path: Path) -> None:
    modules = SlowModules({"web": []})
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules, policy=not_on_prod(tmp_path)) as b:
        await b.run()
        found = states(b)
    assert modules.calls == []
    assert found == [("copy", ActionState.DENIED, True), ("shell", ActionState.DENIED, True)]


async def test_a_call_that_a_freeze_holds_when_it_is_about_to_be_sent_is_skipped(tmp_path: Path) -> None:
    class FreezingModules(ScriptedModules):
        @override
        async def run(self, call: ModuleCall) -> ModuleResult:
            soon = SystemClock().now() + 300_000
            freeze = Freeze(
                id="f1", scope=FreezeScope.TARGET, of="web", reason="incident", by="ops", since=1, until=soon
            )
            FreezeFiles(tmp_path / "loops.db").add(freeze)
            return await super().run(call)

    modules = FreezingModules({"web": []})
    with bench(tmp_path, ScriptedDecider(TWO, DONE), modules=modules, observers=[]) as b:
        await b.run()
        found = [(row.module, row.state) for row in actions(b)]
    assert modules.calls == []
    assert found == [("copy", ActionState.SKIPPED), ("shell", ActionState.SKIPPED)]


LINK_RULE = "rules:\n- decision: {decision}\n  match: {{param.path: {tmp}/ssh/*}}\n  reason: managed elsewhere\n"


def through_a_link(tmp_path: Path, decision: str) -> tuple[str, ActionSpec]:
    """A policy about files in a directory, and an action that reaches them through a symbolic link."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "link").symlink_to("ssh")
    path = tmp_path / "policy.yml"
    path.write_text(LINK_RULE.format(decision=decision, tmp=tmp_path))
    params = {"content": "x", "dest": f"{tmp_path}/link/made"}
    return str(path), ActionSpec(module="copy", params=params, host="localhost")


@pytest.mark.parametrize(
    ("decision", "what"), [("deny", "denied by policy rule 1"), ("ask", "approval is required by policy rule 1")]
)
async def test_a_denial_after_paths_are_resolved_is_one_like_every_other(
    decision: str, what: str, tmp_path: Path
) -> None:
    policy, action = through_a_link(tmp_path, decision)
    modules: Any = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    decider = ScriptedDecider(Decision(actions=[action]), Decision(actions=[action]), DONE)
    try:
        with bench(tmp_path, decider, modules=modules, policy=policy, observers=[]) as b:
            ended = await b.run()
            rows = actions(b)
            found = outcomes(b)
            facts = b.data("action.denied")
    finally:
        await modules.close()
    assert ended.outcome is Outcome.DENIED
    assert set(found) == {IterationOutcome.DENIED}
    assert {row.state for row in rows} == {ActionState.DENIED}
    assert all(f"{what} (policy.yml line 2): managed elsewhere" in (row.error or "") for row in rows)
    assert len(facts) == len(rows)
    assert not (tmp_path / "ssh" / "made").exists()


async def test_a_rule_whose_call_is_denied_after_paths_are_resolved_is_denied(tmp_path: Path) -> None:
    policy, action = through_a_link(tmp_path, "deny")
    call = f"ftl.copy(content='x', dest={action.params['dest']!r})"
    rules = write_a_rule(tmp_path, "fix", f"await {call}")
    modules: Any = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    try:
        with bench(
            tmp_path, ScriptedDecider(DONE), modules=modules, policy=policy, observers=[], rules_dir=rules
        ) as b:
            await b.run()
            rows = actions(b)
            found = outcomes(b)
    finally:
        await modules.close()
    assert {row.state for row in rows} == {ActionState.DENIED}
    assert found[0] is IterationOutcome.DENIED


async def test_a_rule_about_paths_that_is_new_when_a_call_is_about_to_be_sent_counts(tmp_path: Path) -> None:
    policy, action = through_a_link(tmp_path, "deny")
    published = [Policy(is_site=True)]

    class SlowHost(Ftl2Modules):
        @override
        async def run(self, call: ModuleCall) -> ModuleResult:
            if call.module == "copy":
                published[0] = replace(load_policy(Path(policy)), is_site=True)
            return await super().run(call)

    modules: Any = SlowHost(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    again = Decision(actions=[action])
    try:
        with bench(tmp_path, ScriptedDecider(again, again, again, DONE), modules=modules, observers=[]) as b:
            b.site = lambda: published[0]
            await b.run()
            found = [row.state for row in actions(b)]
    finally:
        await modules.close()
    assert found[:2] == [ActionState.SKIPPED, ActionState.DENIED]
    assert not (tmp_path / "ssh" / "made").exists()
