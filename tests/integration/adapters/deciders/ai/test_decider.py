"""The decider with a model in a run: malformed answers, outages, what the model is sent, and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.adapters.models.port import ModelError, ModelReply
from ftl2_enterprise.core import lease
from ftl2_enterprise.loops.rows import model_calls as model_call_rows, observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, LoopState, Mode, Outcome
from ftl2_enterprise.store import texts
from tests.support.loops.engine import ScriptedModules, ScriptedPeople, bench, failed, ok
from tests.support.loops.models import ScriptedModel, text, value
from tests.support.loops.runs import iterations

DONE = {"converged": True, "reasoning": "all is well"}


ACT = {"reasoning": "act", "actions": [{"module": "touch"}]}


def unreachable() -> ModelError:
    return ModelError("cannot reach the model: it is away", CallOutcome.UNREACHABLE, temporary=True)


class Pauses:
    """Takes the place of sleeping, and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def decider(*script: Any, **given: Any) -> AiDecider:
    return decider_with(ScriptedModel(*script), **given)


def decider_with(model: ScriptedModel, *, retries: int = 2, pauses: Pauses | None = None, **given: Any) -> AiDecider:
    return AiDecider(model, retries=retries, sleep=pauses or Pauses(), random=lambda: 0.5, **given)


def calls(b: Any) -> list[Any]:
    with b.database.read() as tx:
        return sorted(model_call_rows.get_model_calls(tx, b.loop_id), key=lambda call: call.id)


@pytest.mark.parametrize(
    "reply",
    [
        value(["not", "an", "object"]),
        value({"reasoning": "observe", "observe": None, "actions": "touch"}),
        value({"actions": [{"params": {"path": "/srv"}}]}),
        value({"observe": [{"module": "stat"}]}),
        text("I would rather not answer."),
        text('{"converged": tru'),
    ],
)
async def test_an_answer_without_a_decision_needs_one_repair_call(tmp_path: Path, reply: ModelReply):
    with bench(tmp_path, decider(reply, value(DONE))) as b:
        loop = await b.run()
        assert [(call.purpose, call.outcome) for call in calls(b)] == [
            ("decide", CallOutcome.MALFORMED),
            ("repair", CallOutcome.OK),
        ]
    assert (loop.outcome, loop.iteration_count) == (Outcome.CONVERGED, 1)


async def test_a_model_is_not_sent_what_identifies_the_machine(tmp_path: Path):
    model = ScriptedModel(value({"observe": [{"name": "os", "module": "touch"}]}), value(DONE))
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: ok(changed=False)
    with bench(tmp_path, AiDecider(model), modules=modules) as b:
        await b.run()
        machine = lease.parse(lease.current()).machine
        assert machine is not None
        kept = Path(lease.MACHINE_ID)
        private = [machine, *([kept.read_text().strip()] if kept.exists() else [])]
        assert len(model.requests) == 2
        for request in model.requests:
            assert not [one for one in private if one in repr(request)]


async def test_a_failing_model_is_retried_with_pauses_in_one_iteration(tmp_path: Path):
    pauses = Pauses()
    with bench(tmp_path, decider(unreachable, retries=3, pauses=pauses)) as b:
        loop = await b.run()
        assert [call.outcome for call in calls(b)] == [CallOutcome.UNREACHABLE] * 4
    assert (loop.outcome, loop.iteration_count) == (Outcome.MODEL_FAILED, 1)
    assert pauses.seconds == sorted(pauses.seconds)
    assert len(pauses.seconds) == 3
    assert pauses.seconds[0] >= 1.0
    assert "cannot reach the model: it is away" in (loop.reason or "")


async def test_a_short_outage_costs_neither_an_iteration_nor_the_run(tmp_path: Path):
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: ok(changed=True)
    script = [value(ACT), unreachable, unreachable, value(DONE)]
    with bench(tmp_path, decider(*script), modules=modules, max_iterations=2) as b:
        loop = await b.run()
    assert (loop.outcome, loop.iteration_count, loop.model_call_count) == (Outcome.CONVERGED, 2, 4)


async def test_a_continuous_loop_without_its_model_backs_off(tmp_path: Path):
    with bench(tmp_path, decider(unreachable, retries=0), mode=Mode.CONTINUOUS, interval=0.01) as b:

        def listen(event: Any) -> None:
            if event.kind == "loop.rested" and event.data["failures"] == 3:
                b.stop.ask()

        b.database.listen(listen)
        loop = await b.run()
    assert [round(data["delay"], 3) for data in b.data("loop.rested")] == [0.01, 0.02, 0.04]
    assert {data["outcome"] for data in b.data("loop.rested")} == {"model_failed"}
    assert loop.state is LoopState.PAUSED


async def test_an_observation_of_300_kb_is_shortened_for_the_model_and_stored_whole(tmp_path: Path):
    modules = ScriptedModules()
    log = "".join(f"line {n} of a long log\n" for n in range(14_000))
    assert len(log) > 300_000
    modules.handlers["command"] = lambda call: ok(rc=0, stdout=log)
    observers = [ObservationSpec(name="log", module="command", params={"cmd": "cat log"})]
    model = ScriptedModel(value(DONE))
    with bench(tmp_path, decider_with(model, observe=observers), modules=modules) as b:
        loop = await b.run()
        (call,) = calls(b)
        with b.database.read() as tx:
            (row,) = observation_rows.get_observations(tx, iterations(b)[0].id)
            whole = texts.whole(tx, row.result)
            request = texts.whole(tx, call.request)
    assert loop.outcome is Outcome.CONVERGED
    (sent,) = model.requests
    assert len(sent.prompt) < 20_000
    assert "line 0 of a long log" in sent.prompt
    assert "line 13999 of a long log" in sent.prompt
    assert "line 7000 of a long log" not in sent.prompt
    assert "line 7000 of a long log" in whole
    assert row.result.digest is not None
    assert request == sent.prompt


async def test_after_an_answer_the_prompt_contains_it_and_no_reproach_for_asking(tmp_path: Path):
    ask = {"reasoning": "two ports are free", "ask": {"question": "Which port?", "options": ["80", "8080"]}}
    model = ScriptedModel(value(ask), value(DONE))
    with bench(tmp_path, decider_with(model), people=ScriptedPeople(["8080"])) as b:
        await b.run()
    first, second = (request.prompt for request in model.requests)
    assert "8080" not in first
    assert "Which port?" in second
    assert "8080" in second
    assert "only observed" not in second


async def test_a_failure_reaches_the_model_with_its_output(tmp_path: Path):
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: failed("exit 3", rc=3, stdout="out here", stderr="err here")
    model = ScriptedModel(value(ACT), value(DONE))
    with bench(tmp_path, decider_with(model), modules=modules) as b:
        await b.run()
    second = model.requests[1].prompt
    for words in ("out here", "err here", '"rc":3', '"failed"'):
        assert words in second


async def test_tokens_cost_and_time_are_stored_for_each_call_and_summed_for_the_loop(tmp_path: Path):
    with bench(tmp_path, decider(text("reply"), value(ACT), value(DONE)), max_iterations=3) as b:
        loop = await b.run()
        rows = calls(b)
        with b.database.read() as tx:
            answers = [texts.whole(tx, call.response) for call in rows]
    assert [call.input_tokens for call in rows] == [None, 10, 10]
    assert all(call.latency is not None and call.latency >= 0 for call in rows)
    assert answers[0] == "reply"
    assert "all is well" in answers[2]
    assert (loop.model_call_count, round(loop.cost_usd, 6)) == (3, 0.02)
