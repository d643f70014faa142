"""A freeze of a host, a group or another name of the same machine holds the loop that needs it next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope, Thaw
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult, Situation

SERVED = RunLimits(rest=0.0)
SEE = ObservationSpec(name="seen", module="stat", params={"path": "/srv"}, host="web1")
DONE = Decision(converged=True)
DECISIONS = {
    "observation": Decision(observe=[SEE]),
    "action": Decision(actions=[ActionSpec(module="touch", params={"path": "/srv/x"}, host="web1")]),
}


def decider(decision: Decision, modules: ScriptedModules) -> ScriptedDecider:
    """Decides the same until there was a call on the host."""

    def decide(situation: Situation) -> Decision:
        return DONE if on_web1(modules) else decision

    return ScriptedDecider(decide)


def on_web1(modules: ScriptedModules) -> list[str]:
    return [call.module for call in modules.calls if call.host == "web1"]


@pytest.mark.parametrize("of", ["web1", "WEB1", "web1.", "front", "192.0.2.7"])
@pytest.mark.parametrize("kind", DECISIONS)
async def test_what_the_loop_needs_next_is_held(tmp_path: Path, kind: str, of: str) -> None:
    modules = ScriptedModules({"web1": ["front"], "db1": []})
    modules.addresses["web1"] = "192.0.2.7"
    with bench(tmp_path, decider(DECISIONS[kind], modules), modules=modules, limits=SERVED) as b:
        files = FreezeFiles(b.database.path)
        files.add(Freeze(id="f1", scope=FreezeScope.TARGET, of=of, reason="incident", by="ann (uid 7)", since=1))
        loop = await b.run()
        assert (loop.frozen_by, loop.outcome) == ("f1", None)
        assert on_web1(modules) == []
        files.remove(Thaw(id="f1", by="ann", at=2))
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert len(on_web1(modules)) == 1


async def test_a_loop_that_needs_other_hosts_continues(tmp_path: Path) -> None:
    modules = ScriptedModules({"web1": ["front"], "db1": []})
    with bench(tmp_path, decider(DECISIONS["observation"], modules), modules=modules, limits=SERVED) as b:
        freeze = Freeze(id="f1", scope=FreezeScope.TARGET, of="db1", reason="incident", by="ann (uid 7)", since=1)
        FreezeFiles(b.database.path).add(freeze)
        assert (await b.run()).outcome is Outcome.CONVERGED


class Connecting(ScriptedModules):
    """Records each host to which a call would connect, which comes before the last check of the call."""

    def __init__(self) -> None:
        super().__init__({"web1": [], "db1": []})
        self.connected: list[str] = []

    async def run(self, call: ModuleCall) -> ModuleResult:
        self.connected.append(call.host)
        return await super().run(call)


async def test_an_observation_that_waits_for_its_turn_is_judged_when_it_has_it(tmp_path: Path) -> None:
    modules = Connecting()
    first = ObservationSpec(name="first", module="shell", params={"cmd": "id"}, host="db1")
    limits = RunLimits(rest=0.0, parallel_hosts=1)
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, limits=limits, observers=[first, SEE]) as b:

        def freeze(call: ModuleCall) -> ModuleResult:
            made = Freeze(id="f1", scope=FreezeScope.TARGET, of="web1", reason="incident", by="ann (uid 7)", since=1)
            FreezeFiles(b.database.path).add(made)
            return ok()

        modules.handlers["shell"] = freeze
        loop = await b.run()
    assert (loop.frozen_by, loop.outcome, modules.connected) == ("f1", None, ["db1"])
