"""A model that claims that the state is as desired, although what was observed contradicts its own check."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.loops.decision import Check, Decision, Expectation, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Condition, Mode, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok

if TYPE_CHECKING:
    from pathlib import Path

CONF = ObservationSpec(name="conf", module="stat", params={"path": "/etc/app.conf"})
LINE = "conf on localhost: exists is false, not true"


def check(spec: ObservationSpec = CONF, *, expected: bool = True) -> Check:
    return Check(observe=[spec], expect=[Expectation(observation="conf", path="exists", value=expected)])


def missing() -> ScriptedModules:
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output={"exists": False})
    return modules


async def test_a_new_check_has_to_hold_now(tmp_path: Path) -> None:
    claim = Decision(converged=True, reasoning="done", check=check())
    with bench(tmp_path, ScriptedDecider(claim, is_model=True), modules=missing(), observers=[CONF]) as b:
        loop = await b.run()
    assert (loop.outcome, loop.condition, loop.check) == (Outcome.NOT_CONVERGED, Condition.DRIFTED, None)
    assert (loop.reason or "").endswith(f"claims that the state is as desired, but its check does not hold: {LINE}")


async def test_a_check_about_something_else_than_was_observed_is_not_compared(tmp_path: Path) -> None:
    other = ObservationSpec(name="conf", module="stat", params={"path": "/etc/other.conf"})
    claim = Decision(converged=True, reasoning="done", check=check(other))
    with bench(tmp_path, ScriptedDecider(claim, is_model=True), modules=missing(), observers=[CONF]) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED


@pytest.mark.parametrize("is_replaced", [True, False])
async def test_the_recorded_check_has_to_hold_or_is_replaced(tmp_path: Path, is_replaced: bool) -> None:
    first = Decision(converged=True, reasoning="done", check=check())
    again = Decision(converged=True, reasoning="still done", check=check(expected=False) if is_replaced else None)
    modules = ScriptedModules()
    modules.handlers["stat"] = lambda call: ok(output={"exists": len(b.decider.situations) == 0})
    decider = ScriptedDecider(first, again, is_model=True)
    # The process ends as soon as the loop rests.
    values: dict[str, Any] = {"mode": Mode.CONTINUOUS, "interval": 0.01, "limits": RunLimits(rest=0.0)}
    with bench(tmp_path, decider, modules=modules, observers=[CONF], **values) as b:
        assert (await asyncio.wait_for(b.run(), 20)).condition is Condition.IN_SYNC
        loop = await asyncio.wait_for(b.run(), 20)
        assert len(decider.situations) == 2
    assert loop.condition is (Condition.IN_SYNC if is_replaced else Condition.DRIFTED)
    assert loop.failures == (0 if is_replaced else 1)
    assert is_replaced or (loop.reason or "").endswith(LINE)
