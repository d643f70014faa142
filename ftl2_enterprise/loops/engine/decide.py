"""What a decision is made from, and what is done to it before it is stored."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.loops.engine import prompting
from ftl2_enterprise.loops.engine.check import unmet
from ftl2_enterprise.loops.engine.context import unless
from ftl2_enterprise.loops.engine.fire_rules import state_of
from ftl2_enterprise.loops.engine.observe import CHECK, ObservedState, RequestedObservation, encode
from ftl2_enterprise.loops.ports import DeciderFailed, ModelUsage, PastIteration, Situation
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    loops as loop_rows,
    model_calls as model_call_rows,
)
from ftl2_enterprise.protocol.loops.decision import Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, Iteration, IterationOutcome, Loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.fire_rules import RuleJudgements
    from ftl2_enterprise.loops.ports import PromptAnswer
    from ftl2_enterprise.loops.rules.rule import RuleSet
    from ftl2_enterprise.store.tx import Tx

INSISTED = "engine:go-on:"
"""Keys of questions that the engine asks when a decider should have asked and did not."""
GO_ON, STOP = "go on", "stop"


@dataclass(frozen=True, kw_only=True)
class LoopSnapshot:
    """Where a run stands before an iteration: what the database tells that does not change while it lasts."""

    loop: Loop
    of_run: Sequence[Iteration]
    """The iterations of the run so far, in order; only the last one can be open."""
    answers: Sequence[PromptAnswer]

    @property
    def earlier(self) -> Sequence[Iteration]:
        """Those that have ended."""
        return [one for one in self.of_run if one.ended_at is not None]


def standing(tx: Tx, loop_id: int) -> LoopSnapshot:
    """Where the run of the loop stands."""
    loop = loop_rows.get_loop(tx, loop_id)
    of_run = loop_rows.iterations_of_run(tx, loop.id, loop.run)
    return LoopSnapshot(loop=loop, of_run=of_run, answers=prompting.answers(tx, loop_id))


def wanted(engine: LoopContext, now: LoopSnapshot, rules: RuleSet) -> list[RequestedObservation]:
    """Everything to look at, in the order in which a later one replaces an earlier one of the same name."""
    loop = now.loop
    sources = [
        ("loop", engine.spec.observers or []),
        ("decider", engine.decider.observations(now.answers)),
        (CHECK, loop.check.observe if loop.check and check_counts(engine, loop) else []),
        ("requested", _requested(now)),
        *((f"rule:{rule.name}", rule.observe) for rule in rules.rules),
    ]
    return [RequestedObservation(spec=spec, origin=origin) for origin, specs in sources for spec in specs]


def _requested(now: LoopSnapshot) -> list[ObservationSpec]:
    """What the last decision of this run asked to see, or the converging one of the run before."""
    for one in reversed(now.earlier):
        if one.decision is not None and one.outcome not in {IterationOutcome.RULE_FIRED, IterationOutcome.ASKED}:
            return one.decision.observe
    return now.loop.next_observations


def check_counts(engine: LoopContext, loop: Loop) -> bool:
    """Whether a recorded check may spare the decider now: it costs something, and its last word is recent enough."""
    if not engine.decider.is_model or loop.check is None or loop.audited_at is None:
        return False
    if not loop.check.expect:
        return False
    return 0 <= seconds_between(loop.audited_at, engine.clock.now()) < engine.limits.audit_every


def unmet_by_check(engine: LoopContext, loop: Loop, view: ObservedState) -> list[str] | None:
    """What the recorded check finds wrong; None when there is none that counts."""
    if loop.check is None or not check_counts(engine, loop):
        return None
    return unmet(loop.check, view.check)


def of_budget(iterations: Sequence[Iteration]) -> list[Iteration]:
    """Those that count: an iteration that was interrupted has not had its chance."""
    return [one for one in iterations if one.outcome is not IterationOutcome.INTERRUPTED]


def situation(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    rules: RuleSet,
    view: ObservedState,
    judged: RuleJudgements,
) -> Situation:
    """Everything that the decision may depend on."""
    loop = now.loop
    shown = now.earlier[-engine.limits.past :]
    with engine.journal.store.read() as tx:
        actions = action_rows.get_actions_for_iterations(tx, [one.id for one in shown])
        hosts = host_rows.get_hosts(tx, loop.id)
        resources = host_rows.get_resources(tx, loop.id)
        return Situation(
            loop_id=loop.id,
            desired_state=loop.desired_state,
            iteration=len(of_budget(now.earlier)) + 1,
            max_iterations=engine.spec.max_iterations,
            seen=view.seen,
            state=view.state() | state_of(hosts, resources),
            hosts=hosts,
            resources=resources,
            inventory=engine.modules.hosts(),
            answers=now.answers,
            past=[
                PastIteration(
                    n=one.n,
                    reasoning=one.reasoning or "",
                    outcome=str(one.outcome),
                    actions=actions.get(one.id, []),
                )
                for one in shown
            ],
            rules=[(rule.name, rule.description) for rule in rules.rules],
            matched_rules=[rule.name for rule in judged.matches],
            unjudged_rules=judged.unjudged,
            unknown=action_rows.get_unknown_actions(tx, loop.id, since_iteration_n=iteration.n - engine.limits.past),
            must_ask=0 < engine.spec.max_ask_delay <= loop.failed_iterations,
            dry_run=engine.spec.dry_run,
        )


class _DecisionCalls:
    """Records a decider's model calls, each in a transaction before it and one after."""

    def __init__(self, engine: LoopContext, iteration: Iteration) -> None:
        self._engine = engine
        self._iteration = iteration

    def begin(self, *, purpose: str, provider: str, model: str | None, request: str) -> int:
        engine = self._engine
        call_id = engine.journal.commit(
            model_call_rows.begin_model_call,
            self._iteration,
            purpose=purpose,
            provider=provider,
            model=model,
            request=engine.redactor.text(request),
            max_cost=engine.spec.max_cost,
        )
        reach(FaultPoint.MODEL_CALL_STARTED)
        return call_id

    def finish(
        self, call_id: int, outcome: CallOutcome, *, usage: ModelUsage, latency: float, response: str = "",
        error: str | None = None,
    ) -> None:  # fmt: skip
        redact, journal = self._engine.redactor.text, self._engine.journal
        # Committed with the decision that it holds: no answer is known as paid for and its decision lost.
        carry_out = journal.defer if outcome is CallOutcome.OK else journal.commit
        carry_out(
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
        )
        reach(FaultPoint.MODEL_ANSWERED)


async def decide(engine: LoopContext, iteration: Iteration, now: Situation) -> Decision | None:
    """Ask the decider; None when a stop cut it off. Raises DeciderFailed."""
    try:
        return await unless(_patience(engine), engine.decider.decide(now, _DecisionCalls(engine, iteration)))
    except Problem as problem:
        if problem.code is not Code.DENIED:
            raise
        raise DeciderFailed(str(problem), CallOutcome.REFUSED) from problem


async def _patience(engine: LoopContext) -> None:
    """Until a second stop, or for a while after the first."""
    await engine.stop.requested.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(engine.limits.stop_grace):
            await engine.stop.now.wait()


def insist(decision: Decision, iteration: Iteration, *, failed: int) -> Decision:
    """The question that takes the place of one more try when too many have failed."""
    ask = Ask(
        question=("The last iteration" if failed == 1 else f"{failed} iterations in a row")
        + " had failed actions. Go on?",
        options=[GO_ON, STOP],
        default=STOP,
        key=f"{INSISTED}{iteration.n}",
    )
    return Decision(reasoning=decision.reasoning, ask=ask, unmet=decision.unmet)


def redacted(engine: LoopContext, decision: Decision) -> Decision:
    """The decision as it is stored: no secret in it."""
    plain = engine.redactor.value(msgspec.json.decode(encode(decision)))
    if contains_mask(plain.get("check")):
        # What is left of it would be judged without what was taken out.
        plain["check"] = None
    return msgspec.convert(plain, Decision)
