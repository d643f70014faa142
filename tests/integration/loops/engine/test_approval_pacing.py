"""What people approve is repeated like everything else: after a pause, some times, and without what is spent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome, LoopRemediation, LoopState, Outcome
from tests.support.loops.approving import approve, latest
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.runs import outcomes

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RunLimits(retry_delay=0.05)
START = ActionSpec(module="service", host="all", params={"name": "web"}, step="start")
COPY = ActionSpec(module="copy", host="web1", params={"dest": "/etc/a"}, step="copy")


def hosts() -> ScriptedModules:
    modules = ScriptedModules({"web1": ["all"], "web2": ["all"]})
    modules.handlers["service"] = lambda call: failed("no") if call.host == "web1" else ok(changed=True)
    modules.handlers["copy"] = lambda call: ok(changed=True)
    return modules


async def test_an_approved_action_is_asked_about_again_after_a_pause_and_not_without_end(tmp_path: Path) -> None:
    decider = ScriptedDecider(lambda _: Decision(actions=[replace_host(START, "web1")]))
    values: dict[str, Any] = {
        "modules": hosts(),
        "limits": RunLimits(retry_delay=0.5),
        "remediation": LoopRemediation.ASK,
    }
    with bench(tmp_path, decider, **values) as b:
        for _ in range(3):
            assert (await b.run()).state is LoopState.WAITING
            approve(b)
        ended = await b.run()
        asked, delayed, acted = IterationOutcome.ASKED, IterationOutcome.DELAYED, IterationOutcome.ACTED
        assert outcomes(b) == [asked, acted, delayed, asked, acted, delayed, asked, acted, IterationOutcome.OBSERVED]
    assert (ended.outcome, ended.reason) == (
        Outcome.NOT_CONVERGED,
        "start (service) on web1 has failed 3 times in this run: no",
    )


async def test_people_are_not_asked_about_what_was_tried_often_enough(tmp_path: Path) -> None:
    """Other actions, and other hosts of the same one, are still proposed."""
    plans = [
        Decision(actions=[replace_host(START, "web1")]),
        Decision(actions=[START, COPY]),
        Decision(converged=True),
    ]
    values: dict[str, Any] = {"modules": hosts(), "limits": replace(QUICK, attempts=1)}
    with bench(tmp_path, ScriptedDecider(*plans), remediation=LoopRemediation.ASK, **values) as b:
        await b.run()
        approve(b)
        assert (await b.run()).state is LoopState.WAITING
        assert [(one.module, one.host) for one in latest(b).actions] == [("service", "web2"), ("copy", "web1")]
        approve(b)
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert [call.host for call in b.modules.ran("service")] == ["web1", "web2"]


def replace_host(action: ActionSpec, host: str) -> ActionSpec:
    return ActionSpec(module=action.module, host=host, params=action.params, step=action.step)
