"""The end of a run: after which iteration a run has an outcome, and which one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl2_enterprise.loops.engine import decide, pacing
from ftl2_enterprise.loops.rows import observations as observation_rows, rules as rule_rows
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome, Mode, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.decide import LoopSnapshot
    from ftl2_enterprise.loops.ports import ObservationResult, Situation
    from ftl2_enterprise.protocol.loops.decision import Decision
    from ftl2_enterprise.protocol.loops.nouns import Iteration, Loop


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended. `outcome` is None when it did not end: it was stopped, is frozen, or waits for an answer."""

    outcome: Outcome | None
    reason: str | None = None
    waiting: bool = False
    frozen: Freeze | None = None
    unmet: Sequence[str] = ()
    """What contradicts a claim that the state is as desired."""


RULES_ALONE = "rules"
"""Name of the decider for loops that only rules act on; it never plans an action itself."""
RUN_OUTCOMES: dict[IterationOutcome | None, Outcome] = {
    IterationOutcome.CONVERGED: Outcome.CONVERGED,
    IterationOutcome.CHECK_HELD: Outcome.CONVERGED,
    IterationOutcome.PREVIEWED: Outcome.PREVIEWED,
    IterationOutcome.BLOCKED: Outcome.BLOCKED,
    IterationOutcome.UNAPPROVED: Outcome.UNAPPROVED,
    IterationOutcome.DRIFTED: Outcome.DRIFTED,
    IterationOutcome.MODEL_FAILED: Outcome.MODEL_FAILED,
    IterationOutcome.FAILED: Outcome.FAILED,
}
"""Outcomes of an iteration that end the run, and the outcome of the run."""


def settled(last: Iteration) -> RunEnd | None:
    """How the run ended, if the outcome of its last iteration ends it; else None."""
    outcome = RUN_OUTCOMES.get(last.outcome)
    return None if outcome is None else RunEnd(outcome=outcome, reason=last.error)


def end_of(engine: LoopContext, now: LoopSnapshot) -> RunEnd | None:
    """The end of the run, if its last iteration ended it, its budget is exhausted, or policy denied everything."""
    iterations = now.of_run
    if iterations and (end := settled(iterations[-1])) is not None:
        if end.outcome is Outcome.PREVIEWED and not engine.decider.is_model and iterations[-1].reasoning:
            reasoning = iterations[-1].reasoning
            less = f". Not all of it would be executed: {end.reason}" if end.reason else ""
            return replace(end, reason=f"{reasoning.removesuffix('.')}{less}" if less else reasoning)
        if end.outcome is Outcome.DRIFTED and engine.spec.mode is not Mode.CONTINUOUS:
            # A continuous loop that rests with a reason has failed.
            return replace(end, reason=end.reason or _first_unmet(iterations[-1]) or iterations[-1].reasoning)
        return end
    so_far = decide.of_budget(iterations)
    spent = len(so_far) >= engine.spec.max_iterations
    recent = so_far[-2:]
    denied = [one for one in recent if one.outcome is IterationOutcome.DENIED]
    idle = all(one.outcome in {IterationOutcome.DENIED, IterationOutcome.OBSERVED} for one in recent)
    # The next call of the model would be denied, too; a model whose actions are denied may find another way. Other
    # deciders decide the same again.
    is_last_denied = bool(denied) and recent[-1] is denied[-1]
    by_decider = is_last_denied and recent[-1].decided_by == engine.decider.name
    is_same_denied = by_decider and (recent[-1].decision is None or not engine.decider.is_model)
    if len(denied) == 2 or is_same_denied or (spent and denied and (idle or is_last_denied)):
        return RunEnd(outcome=Outcome.DENIED, reason=denied[-1].error)
    if so_far and (end := _blind(engine, now, so_far) or _stuck(engine, now.loop, so_far)) is not None:
        return end
    unseen = pacing.unseen(engine, so_far)
    if len(unseen) >= engine.limits.attempts:
        return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=_why_unseen(unseen[0]))
    if not spent:
        return None
    last = so_far[-1].error or so_far[-1].reasoning
    if (cause := _first_unmet(so_far[-1])) and cause not in (last or ""):
        decision = so_far[-1].decision
        state = "unknown" if decision is not None and cause in decision.unknown else "not as desired"
        last = f"{last}; {state}: {cause}" if last else cause
    if so_far[-1].outcome is IterationOutcome.RULE_FIRED and not so_far[-1].error:
        by = so_far[-1].decided_by
        last = f"{last} although it has fired before" if any(one.decided_by == by for one in so_far[:-1]) else last
    words = "1 iteration was" if len(so_far) == 1 else f"{len(so_far)} iterations were"
    return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=f"{words} not enough" + (f"; last: {last}" if last else ""))


def unproven(engine: LoopContext, now: LoopSnapshot, situation: Situation, decision: Decision) -> RunEnd | None:
    """How the run ends although the decider claims that it has converged; None if nothing contradicts that.

    Other deciders than models derive it from what they have observed.
    """
    if not engine.decider.is_model:
        return None
    last = next((one for one in reversed(now.of_run) if one.ended_at is not None), None)
    if last is not None and last.outcome is IterationOutcome.DENIED:
        # Nothing has happened since it wanted to act.
        why = f"{last.error}; then {engine.decider.name} claimed that the state is as desired"
        return RunEnd(outcome=Outcome.DENIED, reason=why)
    found: dict[str, list[ObservationResult]] = {}
    for one in situation.seen:
        found.setdefault(one.host, []).append(one)
    for host, seen in found.items():
        # A command that fails is an answer, too.
        if not any(one.success or "rc" in one.result for one in seen):
            cause = f": {seen[0].error}" if seen[0].error else ""
            why = f"{engine.decider.name} claims that the state is as desired, but nothing was observed on {host}"
            return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=why + cause)
    if lines := decide.contradictions(engine, now, situation, decision):
        why = f"{engine.decider.name} claims that the state is as desired, but its check does not hold: {lines[0]}"
        return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=why, unmet=lines)
    return None


def _first_unmet(last: Iteration) -> str | None:
    """The first difference from the desired state that the iteration has found."""
    return last.decision.unmet[0] if last.decision is not None and last.decision.unmet else None


def _why_unseen(last: Iteration) -> str | None:
    return " ".join(filter(None, (last.reasoning, _first_unmet(last)))) or None


def _blind(engine: LoopContext, now: LoopSnapshot, so_far: Sequence[Iteration]) -> RunEnd | None:
    """The end of a run that cannot continue because observations are denied; else None.

    A model may find another way, so it gets a second iteration; other deciders decide the same again.
    """
    needed = 2 if engine.decider.is_model else 1
    reason = ""
    recent = so_far[-needed:]
    if len(recent) < needed or any(one.outcome is not IterationOutcome.OBSERVED for one in recent):
        return None
    for one in recent:
        is_last = one is now.of_run[-1]
        denied = now.denied if is_last else engine.journal.read(observation_rows.first_denied, one.id)
        if denied is None:
            return None
        reason = f"cannot observe {denied.name} on {denied.host}: {denied.error}"
    return RunEnd(outcome=Outcome.DENIED, reason=reason)


def _stuck(engine: LoopContext, loop: Loop, so_far: Sequence[Iteration]) -> RunEnd | None:
    """The end of a dry run, or of a run of rules alone, if another iteration had the same result; else None."""
    last = so_far[-1]
    if last.outcome is not IterationOutcome.OBSERVED:
        return None
    rules_alone = engine.spec.decider == RULES_ALONE or loop.spec.without_model
    if rules_alone and len(so_far) > 1 and so_far[-2].outcome is IterationOutcome.DENIED:
        return RunEnd(outcome=Outcome.DENIED, reason=so_far[-2].error)
    if engine.spec.dry_run and not engine.decider.is_model:
        return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=last.reasoning)
    if not rules_alone:
        return None
    judged = engine.journal.read(rule_rows.get_rule_results, last.id)
    # A rule that matched may fire again in the next iteration and make progress then.
    return (
        None if any(row.matched for row in judged) else RunEnd(outcome=Outcome.NOT_CONVERGED, reason=last.reasoning)
    )
