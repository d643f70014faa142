"""The model calls of a decider: judged by the gate, recorded before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.budgets import Amount, Breach
from ftl2_enterprise.gate.effects import model_params
from ftl2_enterprise.loops.engine import model_turn
from ftl2_enterprise.loops.engine.context import Held
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.ports import NO_NEWS, BudgetReached, CallDenied, ModelUsage, PermittedCall, ProviderHealth
from ftl2_enterprise.loops.rows import model_calls as model_call_rows
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.gate.permits import Permit
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.protocol.loops.nouns import Iteration


class DecisionCalls:
    """A ModelCallLog: records the calls of one decision, in one transaction before each and one after it.

    The one before it also reserves what the call may cost; a call that may not begin yet waits for its turn. The gate
    judges a call before it waits and immediately before it begins.
    """

    def __init__(self, engine: LoopContext, iteration: Iteration) -> None:
        self._engine = engine
        self._iteration = iteration

    async def begin(
        self, *, purpose: str, provider: str, model: str | None, request: str, digest: str, bound: Amount
    ) -> PermittedCall:
        """As in the protocol. Raises Held when a freeze holds the call."""
        engine = self._engine
        params = model_params(model=model, purpose=purpose, digest=digest)
        redacted_request = engine.redactor.text(request)
        while True:
            try:
                self._judge(provider, params)
            except CallDenied as denied:
                engine.journal.commit(
                    model_call_rows.refuse_model_call,
                    self._iteration,
                    purpose=purpose,
                    provider=provider,
                    model=model,
                    request=redacted_request,
                    error=denied.message,
                )
                raise
            found = engine.journal.commit(
                model_call_rows.begin_model_call,
                self._iteration,
                purpose=purpose,
                provider=provider,
                model=model,
                request=redacted_request,
                bound=bound,
                limits=engine.limits.models,
            )
            match found:
                case model_call_rows.CallBegun(call_id):
                    reach(LoopFaultPoint.MODEL_CALL_STARTED)
                    try:
                        return PermittedCall(call_id, self._judge(provider, params))
                    except (Held, CallDenied) as error:
                        used = ModelUsage(input_tokens=0, output_tokens=0, cost_usd=0.0, model=model)
                        self.finish(call_id, CallOutcome.REFUSED, usage=used, latency=0.0, error=str(error))
                        raise
                case Breach():
                    raise BudgetReached(found)
                case model_call_rows.CallHeld():
                    await model_turn.pause(engine, self._iteration)
                case _:
                    reach(LoopFaultPoint.MODEL_CALL_QUEUED)
                    await model_turn.wait(engine, self._iteration, provider, found)

    def _judge(self, provider: str, params: Mapping[str, str]) -> Permit:
        """The permit of the gate. Raises Held and CallDenied."""
        engine = self._engine
        verdict = gate.judge(engine.model_call(provider, params), engine.gate)
        if verdict.permit is not None:
            return verdict.permit
        if verdict.freeze is not None:
            raise Held(verdict.freeze)
        raise CallDenied(provider, engine.redactor.text(verdict.reason))

    def finish(
        self, call_id: int, outcome: CallOutcome, *, usage: ModelUsage, latency: float, response: str = "",
        error: str | None = None, health: ProviderHealth = NO_NEWS,
    ) -> None:  # fmt: skip
        """As in the protocol."""
        redact, journal = self._engine.redactor.text, self._engine.journal
        # A successful call is committed together with its decision, so a crash cannot keep one without the other.
        write = journal.defer if outcome is CallOutcome.OK else journal.commit
        write(
            model_call_rows.finish_model_call,
            call_id,
            outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            latency=latency,
            response=redact(response),
            error=redact(error) if error is not None else None,
            model=usage.model,
            health=health,
            limits=self._engine.limits.models,
        )
        reach(LoopFaultPoint.MODEL_ANSWERED)
