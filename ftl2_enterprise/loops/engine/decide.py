"""Calling the decider: the situation that it decides on, and the redaction of its decision before it is stored."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.loops.engine import prompting
from ftl2_enterprise.loops.engine.check import Unmet, unmet
from ftl2_enterprise.loops.engine.context import Held, unless, unless_cut
from ftl2_enterprise.loops.engine.fire_rules import state_of
from ftl2_enterprise.loops.engine.model_calls import DecisionCalls
from ftl2_enterprise.loops.engine.observe import CHECK, ObservedState, RequestedObservation, encode
from ftl2_enterprise.loops.engine.prompting import OWN
from ftl2_enterprise.loops.ports import (
    DeciderFailed,
    PastIteration,
    Situation,
    StoppedWaiting,
)
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    hosts as host_rows,
    loops as loop_rows,
    observations as observation_rows,
)
from ftl2_enterprise.protocol.loops.decision import Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Iteration, IterationOutcome, Loop, Mode

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.fire_rules import RuleJudgements
    from ftl2_enterprise.loops.ports import PromptAnswer
    from ftl2_enterprise.loops.rows.observations import DeniedObservation
    from ftl2_enterprise.loops.rules.rule import RuleSet
    from ftl2_enterprise.loops.secrets import Secret
    from ftl2_enterprise.protocol.loops.approvals import ApprovalRequest
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec
    from ftl2_enterprise.store.tx import Tx

INSISTED = f"{OWN}go-on:"
CONTINUE, STOP = "continue", "stop"


@dataclass(frozen=True, kw_only=True)
class LoopSnapshot:
    """The stored state of a run before an iteration; it does not change during the iteration."""

    loop: Loop
    of_run: Sequence[Iteration]
    """The iterations of the run so far, in order; all but the last one have ended."""
    answers: Sequence[PromptAnswer]
    secrets: Mapping[str, Secret]
    """The answers that are secrets, by key."""
    approval: ApprovalRequest | None = None
    """The newest request for approval, whatever its state."""
    denied: DeniedObservation | None = None
    """The first denied observation of the last iteration, if that ended without having decided anything."""

    @property
    def earlier(self) -> Sequence[Iteration]:
        """The iterations that have ended."""
        return [one for one in self.of_run if one.ended_at is not None]


def snapshot(tx: Tx, loop_id: int) -> LoopSnapshot:
    """Read the stored state of the loop's current run."""
    loop = loop_rows.get_loop(tx, loop_id)
    of_run = loop_rows.iterations_of_run(tx, loop.id, loop.run)
    answers, secrets = prompting.answers(tx, loop)
    only_observed = bool(of_run) and of_run[-1].outcome is IterationOutcome.OBSERVED
    return LoopSnapshot(
        loop=loop,
        of_run=of_run,
        answers=answers,
        secrets=secrets,
        approval=approval_rows.latest(tx, loop_id),
        denied=observation_rows.first_denied(tx, of_run[-1].id) if only_observed else None,
    )


def requested_observations(engine: LoopContext, now: LoopSnapshot, rules: RuleSet) -> list[RequestedObservation]:
    """Everything to observe; a later request replaces an earlier one of the same name."""
    loop = now.loop
    sources = [
        ("loop", engine.spec.observers or []),
        ("decider", engine.decider.observations(now.answers)),
        (CHECK, loop.check.observe if loop.check and is_check_valid(engine, loop) else []),
        (observation_rows.REQUESTED, _requested(now)),
        *((f"rule:{rule.name}", rule.observe) for rule in rules.rules),
    ]
    return [RequestedObservation(spec=spec, origin=origin) for origin, specs in sources for spec in specs]


def _requested(now: LoopSnapshot) -> list[ObservationSpec]:
    """The observations requested by the last decision of this run, or by the converging one of the previous run."""
    for one in reversed(now.earlier):
        if one.decision is not None and one.outcome not in {IterationOutcome.RULE_FIRED, IterationOutcome.ASKED}:
            return one.decision.observe
    return now.loop.next_observations


def is_check_valid(engine: LoopContext, loop: Loop) -> bool:
    """Whether a recorded check may replace the decider: it would call a model, and its last decision is recent."""
    if not engine.decider.is_model or loop.check is None or loop.audited_at is None:
        return False
    if not loop.check.expect:
        return False
    if loop.spec.without_model:
        return True
    return 0 <= seconds_between(loop.audited_at, engine.clock.now()) < engine.limits.audit_every


def unmet_by_check(engine: LoopContext, loop: Loop, view: ObservedState) -> Unmet | None:
    """The expectations of the recorded check that are not satisfied; None when no valid check is recorded."""
    if loop.check is None or not is_check_valid(engine, loop):
        return None
    return unmet(loop.check, view.check)


def contradictions(engine: LoopContext, now: LoopSnapshot, situation: Situation, decision: Decision) -> Sequence[str]:
    """The expectations of the check of a decision that what was observed does not satisfy; else of the recorded one.

    Expectations about what was not observed before the decision are left out.
    """
    check = decision.check
    if check is None:
        return situation.check_unmet
    requested = [*(engine.spec.observers or []), *engine.decider.observations(now.answers), *_requested(now)]
    observed = {spec.name: spec for spec in requested}
    known = {spec.name for spec in check.observe if observed.get(spec.name) == spec}
    expect = [one for one in check.expect if one.observation in known]
    return unmet(msgspec.structs.replace(check, expect=expect), situation.seen).lines


def of_budget(iterations: Sequence[Iteration]) -> list[Iteration]:
    """The iterations that count against the budget.

    That is all but those that were interrupted, asked for an approval, or led to a pause.
    """
    return [one for one in iterations if one.outcome not in _MAY_NOT_COUNT or not _is_free(one)]


def since_answer(iterations: Sequence[Iteration]) -> Sequence[Iteration]:
    """The iterations after the last one in which a person was asked how to continue."""
    asked = [n for n, one in enumerate(iterations) if one.decision is not None and one.decision.ask is not None]
    return iterations[asked[-1] + 1 :] if asked else iterations


_MAY_NOT_COUNT = frozenset({IterationOutcome.INTERRUPTED, IterationOutcome.DELAYED, IterationOutcome.ASKED})


def _is_free(iteration: Iteration) -> bool:
    """Whether it was interrupted or led to a pause, or people approved its actions, which the next one executes."""
    if iteration.outcome in {IterationOutcome.INTERRUPTED, IterationOutcome.DELAYED}:
        return True
    return iteration.decision is not None and iteration.decision.ask is None


def situation(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    rules: RuleSet,
    view: ObservedState,
    judged: RuleJudgements,
    check_unmet: Unmet,
) -> Situation:
    """Collect everything that the decision may depend on; `check_unmet` is what the recorded check lacks."""
    loop = now.loop
    done = [one for one in now.earlier if one.outcome is not IterationOutcome.DELAYED]
    shown = done[-engine.limits.past :]
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
            check_unmet=check_unmet.lines,
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
            disabled_rules=rules.disabled,
            unknown=action_rows.get_unknown_actions(tx, loop.id, since_iteration_n=iteration.n - engine.limits.past),
            must_ask=0 < ask_delay(engine.spec) <= loop.failed_iterations,
            dry_run=engine.spec.dry_run,
        )


def ask_delay(spec: LoopSpec) -> int:
    """The failed iterations in a row after which a person is asked; 0: never.

    A run of another mode than continuous is the only one, so it asks early enough for an iteration after the answer.
    """
    if spec.max_ask_delay == 0 or spec.mode is Mode.CONTINUOUS:
        return spec.max_ask_delay
    return max(1, min(spec.max_ask_delay, spec.max_iterations - 2))


async def decide(engine: LoopContext, iteration: Iteration, now: Situation) -> Decision | None:
    """Ask the decider; None when a stop request interrupted it.

    Raises DeciderFailed, StoppedWaiting when it has to be asked again with new observations, and Held when a freeze
    holds a call of a model or interrupts it.
    """
    asked = engine.decider.decide(now, DecisionCalls(engine, iteration))
    if engine.decider.is_model:
        asked = _unless_cut(engine, asked)
    try:
        return _without_own_key(await unless(_grace_period(engine), asked))
    except StoppedWaiting:
        if engine.stop.requested.is_set():
            return None
        raise


def _without_own_key(decision: Decision | None) -> Decision | None:
    """The decision. Raises DeciderFailed if its question has a key of the engine: what such an answer leads to is not
    for deciders, such as more money for a model.
    """
    ask = decision.ask if decision is not None else None
    if ask is not None and (ask.key or ask.question).startswith(OWN):
        raise DeciderFailed(f"cannot ask with the key {ask.key or ask.question!r}: {OWN}... belongs to the engine")
    return decision


async def _unless_cut(engine: LoopContext, asked: Coroutine[Any, Any, Decision]) -> Decision:
    decided = await unless_cut(engine, engine.model_call(engine.decider.name, {}), asked)
    if isinstance(decided, Decision):
        return decided
    raise Held(decided)


async def _grace_period(engine: LoopContext) -> None:
    """Return at the second stop request, or `stop_grace` seconds after the first."""
    await engine.stop.requested.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(engine.limits.stop_grace):
            await engine.stop.now.wait()


def insist(decision: Decision, iteration: Iteration, *, failed: int) -> Decision:
    """The decision to ask a person instead of trying again after too many failed iterations."""
    ask = Ask(
        question=("The last iteration" if failed == 1 else f"{failed} iterations in a row")
        + " had failed actions. Continue?",
        options=[CONTINUE, STOP],
        default=STOP,
        key=f"{INSISTED}{iteration.n}",
    )
    return Decision(reasoning=decision.reasoning, ask=ask, unmet=decision.unmet, unknown=decision.unknown)


def redacted(engine: LoopContext, decision: Decision) -> Decision:
    """The decision without secrets, as it is stored."""
    plain = engine.redactor.value(msgspec.json.decode(encode(decision)))
    if contains_mask(plain.get("check")):
        # A redacted check would be evaluated against the mask instead of the value.
        plain["check"] = None
    return msgspec.convert(plain, Decision)
