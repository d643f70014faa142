from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.adapters.models.port import ModelError, ModelReply, ModelRequest
from ftl2_enterprise.gate.budgets import Breach
from ftl2_enterprise.loops.ports import BudgetReached, Decider, DeciderFailed, ModelUsage, PermittedCall
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import CallOutcome
from tests.support.loops.models import RecordingCalls, ScriptedModel, seen, situation, text, value

if TYPE_CHECKING:
    from ftl2_enterprise.gate.permits import Permit

GOOD = {"converged": True, "reasoning": "all well"}
BUSY = ModelError("cannot ask claude: overloaded", CallOutcome.FAILED, temporary=True, detail="529")
ACT = {"actions": [{"module": "command", "params": {"cmd": "true"}}]}


class Naps:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def decider(model: ScriptedModel, **given: Any) -> tuple[AiDecider, Naps]:
    naps = Naps()
    ticks = iter(range(1_000))
    options: dict[str, Any] = {"sleep": naps, "random": lambda: 0.5, "clock": lambda: float(next(ticks))}
    return AiDecider(model, **options | given), naps


async def test_a_good_answer_is_one_recorded_call() -> None:
    model, calls = ScriptedModel(value(GOOD)), RecordingCalls()
    ai, naps = decider(model)
    port: Decider = ai
    decision = await port.decide(situation(seen=[seen("os", stdout="Debian")]), calls)
    assert decision == Decision(converged=True, reasoning="all well")
    [call] = calls.calls
    assert (call.purpose, call.provider, call.model, call.outcome) == ("decide", "scripted", "m-1", CallOutcome.OK)
    assert call.usage == ModelUsage(input_tokens=10, output_tokens=2, cost_usd=0.01, model="m-1")
    assert (call.latency, call.error) == (1.0, None)
    assert call.request == model.requests[0].prompt
    assert "Debian" in call.request
    assert "all well" in call.response
    assert naps.taken == []
    assert (ai.name, ai.is_model, list(ai.observations([]))) == ("scripted", True, [])


async def test_the_configured_observations_are_made() -> None:
    spec = ObservationSpec(name="os", module="command")
    assert list(decider(ScriptedModel(value(GOOD)), observe=[spec])[0].observations([])) == [spec]


async def test_a_malformed_answer_gets_one_repair_round() -> None:
    model, calls = ScriptedModel(value({"actions": [{"params": {}}]}), value(GOOD)), RecordingCalls()
    assert (await decider(model)[0].decide(situation(), calls)).converged
    assert [call.purpose for call in calls.calls] == ["decide", "repair"]
    assert calls.outcomes == [CallOutcome.MALFORMED, CallOutcome.OK]
    assert "module" in (calls.calls[0].error or "")
    assert calls.calls[0].usage is not None
    assert calls.calls[0].usage.cost_usd == 0.01
    repair = model.requests[1].prompt
    assert "missing required field `module`" in repair
    assert model.requests[0].prompt in repair


@pytest.mark.parametrize(
    "malformed",
    [
        text("no idea"), text('[{"converged": true}]'), value({"reasoning": None}), value({"observe": None}),
        value({"actions": [{}]}), value({"observe": [{"module": "stat"}]}), value({"converged": "yes"}),
        value({"konverged": True}), text(""), text('{"converged": tr'), value({}), value([]), value(0), value(""),
        text("x" * 1_000_000), text("\ufffd\ufffd"),
    ],
)  # fmt: skip
async def test_two_malformed_answers_are_a_failure_with_their_own_outcome(malformed: ModelReply) -> None:
    model, calls = ScriptedModel(malformed), RecordingCalls()
    with pytest.raises(DeciderFailed) as caught:
        await decider(model)[0].decide(situation(), calls)
    assert caught.value.outcome is CallOutcome.MALFORMED
    assert caught.value.message.startswith("cannot use the answer of scripted")
    assert calls.outcomes == [CallOutcome.MALFORMED] * 2


async def test_temporary_errors_are_retried_after_growing_pauses() -> None:
    model, calls = ScriptedModel(BUSY, BUSY, BUSY, value(GOOD)), RecordingCalls()
    ai, naps = decider(model, backoff_base=2.0, backoff_cap=5.0)
    assert (await ai.decide(situation(), calls)).converged
    assert naps.taken == [2.0, 4.0, 5.0]
    assert calls.outcomes == [CallOutcome.FAILED] * 3 + [CallOutcome.OK]
    assert calls.calls[0].error == BUSY.message
    assert calls.calls[0].response == "529"


@pytest.mark.parametrize(("random", "pause"), [(0.0, 1.0), (0.999999, 3.0)])
async def test_pauses_are_jittered(random: float, pause: float) -> None:
    ai, naps = decider(ScriptedModel(BUSY, value(GOOD)), backoff_base=2.0, random=lambda: random)
    await ai.decide(situation(), RecordingCalls())
    assert naps.taken == [pytest.approx(pause, abs=0.001)]


async def test_temporary_errors_fail_after_the_last_retry() -> None:
    model, calls = ScriptedModel(BUSY), RecordingCalls()
    ai, naps = decider(model, retries=2)
    with pytest.raises(DeciderFailed, match=r"^cannot ask claude: overloaded \(tried 3 times\)$"):
        await ai.decide(situation(), calls)
    assert len(naps.taken) == 2
    assert len(calls.calls) == 3


@pytest.mark.parametrize("outcome", [CallOutcome.UNAUTHENTICATED, CallOutcome.NOT_INSTALLED, CallOutcome.REFUSED])
async def test_permanent_errors_are_not_retried(outcome: CallOutcome) -> None:
    calls = RecordingCalls()
    ai, naps = decider(ScriptedModel(ModelError("cannot ask claude: no", outcome)))
    with pytest.raises(DeciderFailed, match=r"^cannot ask claude: no$") as caught:
        await ai.decide(situation(), calls)
    assert caught.value.outcome is outcome
    assert calls.outcomes == [outcome]
    assert naps.taken == []


async def test_the_repair_round_has_retries_too() -> None:
    calls = RecordingCalls()
    assert (await decider(ScriptedModel(text("no"), BUSY, value(GOOD)))[0].decide(situation(), calls)).converged
    assert [call.purpose for call in calls.calls] == ["decide", "repair", "repair"]


async def test_a_due_question_is_requested_again() -> None:
    model, calls = ScriptedModel(value(ACT), value({"ask": {"question": "Continue?"}})), RecordingCalls()
    decision = await decider(model)[0].decide(situation(must_ask=True), calls)
    assert decision == Decision(ask=Ask(question="Continue?"))
    assert "has to be a question" in model.requests[1].prompt
    assert "must ask a person now" in model.requests[0].prompt
    assert calls.outcomes == [CallOutcome.MALFORMED, CallOutcome.OK]


async def test_without_the_due_question_the_decision_is_returned() -> None:
    calls = RecordingCalls()
    decision = await decider(ScriptedModel(value(ACT)))[0].decide(situation(must_ask=True), calls)
    assert decision.actions == [ActionSpec(module="command", params={"cmd": "true"})]
    assert calls.outcomes == [CallOutcome.MALFORMED] * 2


class StalledModel(ScriptedModel):
    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()

    async def ask(self, request: ModelRequest, permit: Permit) -> ModelReply:
        self.entered.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def test_a_cancelled_call_is_recorded_as_unknown() -> None:
    model, calls = StalledModel(), RecordingCalls()
    deciding = asyncio.create_task(decider(model)[0].decide(situation(), calls))
    async with asyncio.timeout(5):
        await model.entered.wait()
    assert calls.outcomes == [None]
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    assert calls.outcomes == [CallOutcome.UNKNOWN]
    assert calls.calls[0].error is not None


async def test_an_unexpected_error_is_recorded_and_passed_on() -> None:
    calls = RecordingCalls()
    with pytest.raises(ZeroDivisionError):
        await decider(ScriptedModel(ZeroDivisionError()))[0].decide(situation(), calls)
    assert calls.outcomes == [CallOutcome.UNKNOWN]


async def test_the_cost_limit_stops_the_call_before_it_is_made() -> None:
    class Spent(RecordingCalls):
        async def begin(self, **given: Any) -> PermittedCall:
            raise BudgetReached(Breach(budget="of this loop", of_tokens=False, limit=1, counted=1, needed=1))

    model = ScriptedModel(value(GOOD))
    with pytest.raises(BudgetReached, match="of this loop are used"):
        await decider(model)[0].decide(situation(), Spent())
    assert model.requests == []


async def test_nothing_secret_reaches_the_model() -> None:
    model, calls = ScriptedModel(text('{"x": "hunter2"}'), value(GOOD)), RecordingCalls()
    ai, _ = decider(model, redact=lambda text: text.replace("hunter2", "[redacted]"))
    await ai.decide(situation(desired_state="use hunter2", seen=[seen("env", stdout="P=hunter2")]), calls)
    assert all("hunter2" not in request.prompt for request in model.requests)
    assert "P=[redacted]" in model.requests[0].prompt
