"""Each call of a model is judged by the gate: what it denies is not sent, is recorded, and ends the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.core.freeze import UNUSABLE_POLICY
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.rows import model_calls as model_call_rows
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, IterationOutcome, ModelCall, Outcome
from tests.support.loops.engine import Bench, bench
from tests.support.loops.models import ScriptedModel, text, value

DONE = {"reasoning": "all is well", "converged": True}
DENY = """\
rules:
  - decision: deny
    applies_to: model_calls
    match: {%s}
    reason: no model here
"""


def policy(folder: Path, match: str) -> str:
    file = folder / "policy.yaml"
    file.write_text(DENY % match)
    return str(file)


def calls_of(b: Bench) -> list[ModelCall]:
    with b.database.read() as tx:
        return model_call_rows.get_model_calls(tx, b.loop_id)


@pytest.mark.parametrize("match", ['module: "*"', "module: scripted", "param.model: m-*", "environment: prod"])
async def test_a_denied_call_is_not_made(tmp_path: Path, match: str) -> None:
    model = ScriptedModel(value(DONE))
    with bench(tmp_path, AiDecider(model), policy=policy(tmp_path, match), environment="prod", max_iterations=5) as b:
        loop = await b.run()
        assert model.requests == []
        assert loop.outcome is Outcome.DENIED
        assert loop.reason == (
            "cannot call the model scripted: denied by policy rule 1 (policy.yaml line 2): no model here"
        )
        (call,) = calls_of(b)
        assert (call.outcome, call.error, call.cost_usd) == (CallOutcome.REFUSED, loop.reason, 0.0)
        assert "as it should be" in call.request.shown
        # It would be denied again, so the run does not use its other iterations.
        assert [one["outcome"] for one in b.data("iteration.ended")] == [IterationOutcome.DENIED]
        assert [one["outcome"] for one in b.data("model.answered")] == ["refused"]
        assert loop.cost_usd == 0


@pytest.mark.parametrize("match", ["module: other", "param.model: m-2", "environment: test", "host: localhost"])
async def test_other_calls_are_made(tmp_path: Path, match: str) -> None:
    model = ScriptedModel(value(DONE))
    with bench(tmp_path, AiDecider(model), policy=policy(tmp_path, match), environment="prod") as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
    assert len(model.requests) == 1


async def test_a_repair_request_can_be_denied_alone(tmp_path: Path) -> None:
    model = ScriptedModel(text("no JSON"), value(DONE))
    with bench(tmp_path, AiDecider(model), policy=policy(tmp_path, "param.purpose: repair")) as b:
        assert (await b.run()).outcome is Outcome.DENIED
        assert [one.outcome for one in calls_of(b)] == [CallOutcome.REFUSED, CallOutcome.MALFORMED]
    assert [one.purpose for one in model.requests] == ["decide"]


UNUSABLE = Policy(is_site=True, problem="cannot use the site policy /etc/x/10.yaml line 3: a rule has no match")


async def test_a_site_policy_that_cannot_be_used_holds_the_loop(tmp_path: Path) -> None:
    model = ScriptedModel(value(DONE))
    with bench(tmp_path, AiDecider(model), limits=RunLimits(rest=0.0)) as b:
        b.site = lambda: UNUSABLE
        loop = await b.run()
        assert (loop.frozen_by, loop.outcome, model.requests) == (UNUSABLE_POLICY, None, [])
        b.site = Policy
        assert (await b.run()).outcome is Outcome.CONVERGED


async def test_a_call_is_judged_again_after_it_was_recorded(tmp_path: Path) -> None:
    """It may have waited for its turn, and policy may have changed since."""
    model = ScriptedModel(value(DONE))
    denies = replace(load_policy(Path(policy(tmp_path, 'module: "*"'))), is_site=True)
    with bench(tmp_path, AiDecider(model)) as b:
        b.site = lambda: denies if "model.asked" in b.kinds() else Policy(is_site=True)
        assert (await b.run()).outcome is Outcome.DENIED
        (call,) = calls_of(b)
        assert (call.outcome, call.cost_usd) == (CallOutcome.REFUSED, 0.0)
    assert model.requests == []
