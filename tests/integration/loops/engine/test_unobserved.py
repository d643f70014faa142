"""What could not be observed is no drift: the condition of the loop is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Condition, IterationOutcome, Mode, Outcome
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.engine import Bench, ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.manifests import steps
from tests.support.loops.runs import continuous, outcomes

if TYPE_CHECKING:
    from pathlib import Path

TWO = steps(
    "".join(
        f"  - {{name: {name}, check: {{command: is-{name}}}, action: {{module: shell, params: {{cmd: make}}}}}}\n"
        for name in ("a", "b")
    )
)
PAGE = ObservationSpec(name="page", module="stat", params={"path": "/a"})
MISSING = Decision(reasoning="the page is missing", unmet=["page is missing"])


def policy(tmp_path: Path, match: str) -> str:
    path = tmp_path / "policy.yml"
    path.write_text(f"rules:\n  - decision: deny\n    match: {match}\n    applies_to: observations\n")
    return str(path)


def drifted(b: Bench) -> int:
    return len(b.data("loop.drifted"))


async def test_a_step_whose_check_is_denied_is_no_drift(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = lambda call: ok(rc=0)
    with bench(tmp_path, ManifestDecider(TWO), modules=modules, policy=policy(tmp_path, "{param.cmd: is-b}")) as b:
        loop = await b.run()
        assert outcomes(b) == [IterationOutcome.OBSERVED]
    assert (loop.outcome, loop.condition) == (Outcome.DENIED, Condition.UNKNOWN)


async def test_another_step_that_is_out_of_place_is_drift(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = lambda call: failed("rc 1", rc=1) if "is-" in str(call.params) else ok(rc=0)
    with bench(tmp_path, ManifestDecider(TWO), modules=modules, policy=policy(tmp_path, "{param.cmd: is-b}")) as b:
        loop = await b.run()
    assert loop.condition is Condition.DRIFTED


async def test_a_loop_that_was_in_sync_does_not_drift_when_its_observations_are_denied(tmp_path: Path) -> None:
    modules, path = ScriptedModules(), tmp_path / "policy.yml"
    modules.handlers["shell"] = lambda call: ok(rc=0)
    path.write_text("rules: []\n")
    with bench(
        tmp_path, ManifestDecider(TWO), modules=modules, policy=str(path), mode=Mode.CONTINUOUS, interval=0.01
    ) as b:
        await continuous(b, 1)
        assert b.loop().condition is Condition.IN_SYNC
        policy(tmp_path, "{host: '*'}")
        await continuous(b, 1)
        assert (b.loop().condition, drifted(b)) == (Condition.UNKNOWN, 0)


@pytest.mark.parametrize(("denied", "condition"), [(True, Condition.UNKNOWN), (False, Condition.DRIFTED)])
async def test_a_model_that_has_observed_nothing_knows_of_no_drift(
    tmp_path: Path, denied: bool, condition: Condition
) -> None:
    decider = ScriptedDecider(MISSING, observe=[PAGE], is_model=True)
    with bench(tmp_path, decider, policy=policy(tmp_path, "{module: stat}") if denied else None) as b:
        loop = await b.run()
    assert loop.condition is condition


async def test_a_loop_that_is_held_before_it_has_observed_is_unknown(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["shell"] = lambda call: failed("rc 1", rc=1)
    with bench(tmp_path, ManifestDecider(TWO), modules=modules, limits=RunLimits(rest=0.0)) as b:
        files = FreezeFiles(b.database.path)
        files.add(Freeze(id="f1", scope=FreezeScope.TARGET, of="localhost", reason="", by="ann (uid 7)", since=1))
        loop = await b.run()
    assert (loop.frozen_by, loop.condition, modules.calls) == ("f1", Condition.UNKNOWN, [])
