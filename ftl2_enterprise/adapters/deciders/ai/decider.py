"""Decides with a model: prompt, call, retries, one repair request. Every call is recorded before it is made."""

from __future__ import annotations

import asyncio
import json
import random as randomness
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.deciders.ai.decision_parser import MalformedDecision, decision_in, unasked
from ftl2_enterprise.adapters.deciders.ai.prompt import decision_prompt, repair_prompt
from ftl2_enterprise.adapters.deciders.ai.schema import decision_schema
from ftl2_enterprise.adapters.deciders.ai.system_prompt import SYSTEM
from ftl2_enterprise.adapters.models.port import Model, ModelError, ModelReply, ModelRequest
from ftl2_enterprise.core.backoff import exponential, jittered
from ftl2_enterprise.loops.ports import (
    DeciderFailed,
    ModelCallLog,
    ModelUsage,
    PromptAnswer,
    ProviderHealth,
    Situation,
)
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

JITTER = 0.5


def _unchanged(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class _Bad:
    """An answer that is not a valid decision, or that lacks a required question."""

    answer: str
    faults: Sequence[str]
    decision: Decision | None = None


class AiDecider:
    """A Decider that asks a model.

    Retries and the repair request belong to one decision. Durations are in seconds.
    """

    is_model: bool = True

    def __init__(  # noqa: PLR0913 - the last three are for tests
        self,
        model: Model,
        *,
        retries: int = 4,
        backoff_base: float = 2.0,
        backoff_cap: float = 60.0,
        observe: Sequence[ObservationSpec] = (),
        redact: Callable[[str], str] = _unchanged,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name: str = model.provider
        self._model = model
        self._retries = retries
        self._backoff_base = backoff_base
        self._backoff_cap = backoff_cap
        self._observe = tuple(observe)
        self._redact = redact
        self._sleep = sleep
        self._random = random
        self._clock = clock

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """The configured observations; the model requests further ones in its decisions."""
        return self._observe

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Ask the model; an unusable answer is sent back once with its faults. Raises DeciderFailed."""
        # Observations may contain secrets, which must not reach the model.
        prompt = self._redact(decision_prompt(situation))
        first = await self._answer(calls, "decide", prompt, must_ask=situation.must_ask)
        if isinstance(first, Decision):
            return first
        again = self._redact(repair_prompt(prompt, first.answer, first.faults))
        second = await self._answer(calls, "repair", again, must_ask=situation.must_ask)
        if isinstance(second, Decision):
            return second
        if second.decision is not None:
            # Both answers are well-formed but lack the required question: the engine asks it instead.
            return second.decision
        raise DeciderFailed(
            f"cannot use the answer of {self.name} after one repair request: {'; '.join(second.faults[:3])}",
            CallOutcome.MALFORMED,
        )

    async def _answer(self, calls: ModelCallLog, purpose: str, prompt: str, *, must_ask: bool) -> Decision | _Bad:
        """One answer; temporary failures are retried. Raises DeciderFailed."""
        request = ModelRequest(purpose=purpose, system=SYSTEM, prompt=prompt, schema=decision_schema())
        failures = 0
        while True:
            try:
                return await self._try(calls, request, must_ask=must_ask)
            except ModelError as error:
                failures += 1
                if not error.temporary:
                    raise DeciderFailed(error.message, error.outcome) from error
                if failures > self._retries:
                    tries = f" (tried {failures} times)" if failures > 1 else ""
                    raise DeciderFailed(error.message + tries, error.outcome) from error
            pause = exponential(failures, base=self._backoff_base, cap=self._backoff_cap)
            await self._sleep(jittered(pause, jitter=JITTER, random=self._random()))

    async def _try(self, calls: ModelCallLog, request: ModelRequest, *, must_ask: bool) -> Decision | _Bad:
        """One call, recorded before and after, even if it is cancelled. Raises ModelError."""
        model = self._model
        call_id, permit = await calls.begin(
            purpose=request.purpose,
            provider=model.provider,
            model=model.model,
            request=request.prompt,
            digest=request.digest(),
            bound=model.bound(request),
        )
        started = self._clock()
        outcome, usage, response = CallOutcome.UNKNOWN, ModelUsage(model=model.model), ""
        problem: str | None = "it was stopped before the answer arrived"
        health = ProviderHealth()
        try:
            reply = await model.ask(request, permit)
            usage, response = reply.usage, _shown(reply)
            result = _judge(reply, response, must_ask=must_ask)
            if isinstance(result, Decision):
                outcome, problem = CallOutcome.OK, None
            else:
                outcome, problem = CallOutcome.MALFORMED, "; ".join(result.faults)
        except ModelError as error:
            outcome, usage, response, problem = error.outcome, error.usage, error.detail, error.message
            health = ProviderHealth(failed=error.temporary, retry_after=error.retry_after)
            raise
        finally:
            calls.finish(
                call_id,
                outcome,
                usage=usage,
                latency=max(0.0, self._clock() - started),
                response=response,
                error=problem,
                health=health,
            )
        return result


def _judge(reply: ModelReply, answer: str, *, must_ask: bool) -> Decision | _Bad:
    try:
        decision = decision_in(reply)
    except MalformedDecision as malformed:
        return _Bad(answer=answer, faults=malformed.faults)
    if must_ask and (due := unasked(decision)) is not None:
        return _Bad(answer=answer, faults=due.faults, decision=decision)
    return decision


def _shown(reply: ModelReply) -> str:
    if reply.value is None:
        return reply.text
    return json.dumps(reply.value, ensure_ascii=True)
