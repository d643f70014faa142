"""A verdict holds when a call begins, not only when it was planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import actions

if TYPE_CHECKING:
    from pathlib import Path

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
    assert found == [("copy", ActionState.SUCCEEDED, False), ("shell", ActionState.SKIPPED, True)]
    assert modules.ran("shell") == []


class SlowModules(ScriptedModules):
    """Hosts that become hosts of `prod` while a call waits for its connection."""

    @override
    async def run(self, call: ModuleCall) -> ModuleResult:
        self.groups[call.host] = ("prod",)
        return await super().run(call)


async def test_a_call_is_checked_once_more_when_it_is_about_to_be_sent(tmp_path: Path) -> None:
    modules = SlowModules({"web": []})
    decider = ScriptedDecider(TWO, DONE)
    with bench(tmp_path, decider, modules=modules, policy=not_on_prod(tmp_path)) as b:
        await b.run()
        found = states(b)
    assert modules.calls == []
    assert [state for _, state, _ in found] == [ActionState.SKIPPED, ActionState.SKIPPED]
