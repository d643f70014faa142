"""A model that claims that the state is as desired, although nothing shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Condition, IterationOutcome, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, ScriptedPeople, bench, failed, ok
from tests.support.loops.runs import deny, outcomes

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = {"near": ["all"], "far": ["all"]}
SYSTEM = ObservationSpec(name="system", module="system", host="all")
CLAIM = Decision(converged=True, reasoning="nginx runs")


def world(**of_far: Any) -> ScriptedModules:
    modules = ScriptedModules(HOSTS)
    modules.handlers["system"] = lambda call: ok(output={"cpus": 2}) if call.host == "near" else failed(**of_far)
    return modules


async def test_it_is_not_converged_while_a_host_was_not_observed(tmp_path: Path) -> None:
    modules = world(error="cannot connect to far: connection refused")
    with bench(tmp_path, ScriptedDecider(CLAIM, is_model=True), modules=modules, observers=[SYSTEM]) as b:
        loop = await b.run()
        assert outcomes(b) == [IterationOutcome.OBSERVED]
    assert (loop.outcome, loop.condition) == (Outcome.NOT_CONVERGED, Condition.UNKNOWN)
    assert loop.reason is not None
    assert "nothing was observed on far: cannot connect to far: connection refused" in loop.reason


async def test_a_command_that_fails_is_an_answer(tmp_path: Path) -> None:
    modules = world(error="rc 3", rc=3)
    with bench(tmp_path, ScriptedDecider(CLAIM, is_model=True), modules=modules, observers=[SYSTEM]) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED


async def test_a_decider_that_is_no_model_derives_it_from_what_it_has_observed(tmp_path: Path) -> None:
    modules = world(error="cannot connect to far")
    with bench(tmp_path, ScriptedDecider(CLAIM), modules=modules, observers=[SYSTEM]) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED


@pytest.mark.parametrize("is_model", [True, False])
async def test_a_claim_after_a_denial_changes_nothing(tmp_path: Path, is_model: bool) -> None:
    acts = Decision(actions=[ActionSpec(module="service", params={"name": "nginx", "state": "started"})])
    decider = ScriptedDecider(acts, CLAIM, is_model=is_model)
    with bench(tmp_path, decider, policy=deny(tmp_path, "service")) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.DENIED
    assert loop.reason is not None
    assert "denied" in loop.reason


@pytest.mark.parametrize("kind", ["loop", "day"])
@pytest.mark.parametrize("is_key", [True, False])
async def test_a_question_with_a_key_of_the_engine_raises_no_budget(tmp_path: Path, kind: str, is_key: bool) -> None:
    key, raised = f"engine:budget:{kind}:20789:1", "raise by 1000000 USD"
    ask = Ask(
        question="Is the server healthy?" if is_key else key,
        options=[raised, "no"],
        default=raised,
        key=key if is_key else None,
    )
    decider = ScriptedDecider(Decision(ask=ask), CLAIM, is_model=True)
    with bench(tmp_path, decider, people=ScriptedPeople(), max_cost=1.0) as b:
        loop = await b.run()
        assert b.loop().spec.max_cost == 1.0
        assert [one for one in b.kinds() if one.startswith("prompt.") or "raised" in one] == []
    assert loop.outcome is Outcome.MODEL_FAILED
    assert loop.reason is not None
    assert "belongs to the engine" in loop.reason
