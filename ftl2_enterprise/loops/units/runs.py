"""Units of work about runs and iterations: each is one transaction, fenced by the generation of the loop's claim.

Every unit takes a transaction and plain values and returns plain values, so that the process of the loop or the
writer can execute it. The texts in its arguments are already redacted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ftl2_enterprise.core.clock import Instant, after, seconds_between
from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    loops as loop_rows,
    model_calls as model_call_rows,
    model_queue,
    model_spending,
    observations as observation_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.loops.units import actions as action_units, observations as observation_units
from ftl2_enterprise.protocol.loops.approvals import NOT_NEEDED
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import (
    DecidedAction,
    EndOfRun,
    FailedObservation,
    IterationChecked,
    IterationDecided,
    IterationDelayed,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopAsked,
    LoopConverged,
    LoopDrifted,
    LoopFrozen,
    LoopLimitsChanged,
    LoopPaused,
    LoopRested,
    LoopStarted,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    CallOutcome,
    Condition,
    Iteration,
    IterationOutcome,
    IterationState,
    Loop,
    LoopState,
    ObservationState,
    PendingRetry,
    PromptState,
)
from ftl2_enterprise.store.events import short
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

SUPERSEDED = "the desired state was changed"
"""Why what belongs to an earlier revision ends."""
SHOWN_PAUSE = 1.0
"""Seconds of the shortest pause that is a fact."""

# --- runs ----------------------------------------------------------------------------------------------------------


@unit
def start_run(tx: Tx, loop_id: int, generation: int, *, run: int, resumed: bool, max_iterations: int) -> None:
    """Start a new run of the loop, or continue the interrupted one."""
    state = loop_rows.move_loop(
        tx,
        loop_id,
        generation,
        LoopStarted(run=run, resumed=resumed, max_iterations=max_iterations),
        run=run,
        next_run_at=None,
        restart_at=None,
        **({} if resumed else {"retry": None}),
    )
    iteration = loop_rows.open_iteration(tx, loop_id)
    if state is not LoopState.WAITING and iteration is not None and iteration.state is IterationState.ASKING:
        # It was paused while it waited for an answer, and a question can be closed only in the state `waiting`.
        prompt = prompt_rows.get_prompt_of_iteration(tx, iteration)
        loop_rows.move_loop(tx, loop_id, generation, LoopAsked(prompt_id=prompt.id))


@unit
def change_limits(tx: Tx, loop_id: int, generation: int, limits: dict[str, Any]) -> Loop:
    """Change limits of the loop's spec; its desired state stays.

    With another limit of its model calls it calls its model again, also if it had continued without it.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    if not limits.keys().isdisjoint(("max_cost", "max_tokens")):
        model_spending.accept_overruns(tx, loop_id)
        limits = {**limits, **({"without_model": False} if loop.spec.without_model else {})}
    loop_rows.update_loop(tx, loop_id, generation, spec=msgspec.structs.replace(loop.spec, **limits))
    tx.emit(LoopLimitsChanged(**limits), subject=loop_subject(loop_id))
    return loop_rows.get_loop(tx, loop_id)


@unit
def end_run(tx: Tx, loop_id: int, generation: int, fact: EndOfRun, *, values: dict[str, Any]) -> bool:
    """Record that the run ended, with the loop's next state: ended, resting or blocked.

    False if the desired state was changed since: then the loop only pauses, until its next process takes that up.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.is_superseded:
        loop_rows.move_loop(tx, loop_id, generation, LoopPaused(outcome=None, reason=SUPERSEDED), reason=SUPERSEDED)
        return False
    values = {name: short(value) if name == "reason" else value for name, value in values.items()} | {"retry": None}
    if isinstance(fact, LoopRested):
        # By the clock of the transaction: it may have been set since the process of the loop read it.
        values["next_run_at"] = after(tx.now, fact.delay)
        fact = msgspec.structs.replace(fact, next_run_at=values["next_run_at"])
    loop_rows.move_loop(tx, loop_id, generation, fact, **values)
    return True


@unit
def hold(tx: Tx, loop_id: int, generation: int, *, freeze: str, reason: str, next_run_at: Instant) -> None:
    """Record that a freeze holds the loop, which rests until the freeze ends."""
    loop_rows.move_loop(
        tx,
        loop_id,
        generation,
        LoopFrozen(freeze=freeze, reason=reason, next_run_at=next_run_at),
        frozen_by=freeze,
        reason=short(reason),
        next_run_at=next_run_at,
        retry=None,
    )


# --- iterations ----------------------------------------------------------------------------------------------------


@unit
def begin_iteration(
    tx: Tx,
    loop_id: int,
    *,
    run: int,
    in_run: int,
    budget: int,
    observations: list[observation_units.NewObservation] | None = None,
) -> tuple[Iteration, list[int]]:
    """Begin an iteration and its observations; returns the iteration and the ids of the observations."""
    iteration = loop_rows.insert_iteration(tx, loop_id, run)
    started = IterationStarted(iteration_id=iteration.id, n=iteration.n, run=run, in_run=in_run, of=budget)
    tx.emit(started, subject=loop_subject(loop_id))
    return iteration, observation_units.begin_observations(tx, iteration, observations or [])


@unit
def end_iteration(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    outcome: IterationOutcome,
    *,
    error: str | None = None,
    reasoning: str | None = None,
    decided_by: str | None = None,
    loop_values: dict[str, Any] | None = None,
) -> None:
    """End the iteration; `loop_values` are columns of the loop to write with it."""
    values: dict[str, Any] = {"outcome": outcome, "ended_at": tx.now}
    if error is not None:
        values["error"] = short(error)
    if reasoning is not None:
        values["reasoning"] = reasoning
    if decided_by is not None:
        values["decided_by"] = decided_by
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.ENDED, **values)
    if outcome is not IterationOutcome.INTERRUPTED:
        # The next iteration of an interrupted one keeps the position.
        model_queue.leave(tx, iteration.loop_id)
    if loop_values:
        loop_rows.update_loop(tx, iteration.loop_id, generation, **loop_values)
    done = action_rows.get_actions_for_iteration(tx, iteration.id)
    ended = IterationEnded(
        iteration_id=iteration.id,
        n=iteration.n,
        outcome=outcome,
        error=error,
        changed=sum(1 for action in done if action.changed and action.state is ActionState.SUCCEEDED),
        failed=sum(1 for action in done if action.state is ActionState.FAILED),
    )
    tx.emit(ended, subject=loop_subject(iteration.loop_id))


@unit
def converge(tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str) -> None:
    """Record a decision that the desired state is reached, and end the iteration."""
    record_decision(tx, iteration, generation, decision, by=by, actions=[])
    loop = loop_rows.get_loop(tx, iteration.loop_id)
    by_check = by == "check"
    values: dict[str, Any] = {
        "condition": Condition.IN_SYNC,
        "failed_iterations": 0,
        "rule_streak": 0,
        "check": decision.check or loop.check,
    }
    if not by_check:
        values |= {"audited_at": tx.now, "next_observations": decision.observe}
    approval_rows.void_unused(tx, loop.id, NOT_NEEDED)
    outcome = IterationOutcome.CHECK_HELD if by_check else IterationOutcome.CONVERGED
    end_iteration(tx, iteration, generation, outcome, loop_values=values)
    of_run = loop_rows.iterations_of_run(tx, loop.id, loop.run)
    converged = LoopConverged(
        iteration_id=iteration.id,
        run=loop.run,
        iterations=len(of_run),
        changed=action_rows.count_changed(tx, loop.id, loop.run),
        by=by,
        left_out=decision.left_out,
    )
    tx.emit(converged, subject=loop_subject(loop.id))


@unit
def give_up(
    tx: Tx, iteration: Iteration, generation: int, *, outcome: IterationOutcome, lost: str, reason: str
) -> None:
    """End an iteration that cannot continue: its running actions become unknown, its proposed ones skipped."""
    observation_units.lose_observations(tx, iteration)
    lose_model_calls(tx, iteration)
    action_units.lose_actions(tx, iteration, reason=lost)
    for action in action_rows.get_actions_for_iteration(tx, iteration.id):
        if action.state is ActionState.PROPOSED:
            action_units.end_action(
                tx, iteration, action_units.DoneAction(id=action.id, event=ActionEvent.SKIPPED, error=reason)
            )
    for prompt in prompt_rows.get_prompts(tx, iteration.loop_id, state=PromptState.OPEN):
        prompt_rows.withdraw_prompt(tx, prompt.id, reason)
    end_iteration(tx, iteration, generation, outcome, error=reason)


@unit
def observed(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    *,
    check: tuple[list[str], list[str]] | None,
    results: observation_units.Results | None = None,
) -> None:
    """Record that the iteration has observed.

    `check` has the unsatisfied expectations of the recorded check, and those of them that could not be observed, if
    it ran.

    `results` are the results of observations, unless they are committed already.
    """
    if results is not None:
        observation_units.end_observations(tx, iteration, generation, results)
    every = observation_rows.get_observations(tx, iteration.id)
    bad = [seen for seen in every if seen.state in {ObservationState.FAILED, ObservationState.UNKNOWN}]
    subject = loop_subject(iteration.loop_id)
    fact = IterationObserved(
        iteration_id=iteration.id,
        names=list(dict.fromkeys(seen.name for seen in every)),
        failed=[FailedObservation(name=seen.name, host=seen.host, error=seen.error) for seen in bad],
        denied=[seen.name for seen in every if seen.state is ObservationState.DENIED],
    )
    tx.emit(fact, subject=subject)
    if check is not None:
        tx.emit(
            IterationChecked(iteration_id=iteration.id, held=not check[0], unmet=check[0], unknown=check[1]),
            subject=subject,
        )
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.OBSERVED)


# --- decisions -----------------------------------------------------------------------------------------------------


@unit
def keep_decision(tx: Tx, iteration: Iteration, decision: Decision) -> None:
    """Store what was decided before it is known whether people have to be asked, so that a crash does not lose it."""
    loop_rows.keep_decision(tx, iteration.id, decision)


@unit
def record_decision(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    decision: Decision,
    *,
    by: str,
    actions: list[action_units.NewAction],
    later: int = 0,
) -> list[int]:
    """Commit the decision with a row for each of its actions, before any of them is executed; returns their ids.

    `later` of its actions are left for a later iteration, without a row.
    """
    decided = IterationDecided(
        iteration_id=iteration.id,
        by=by,
        reasoning=decision.reasoning,
        converged=decision.converged,
        blocked=decision.blocked,
        question=decision.ask.question if decision.ask else None,
        actions=[DecidedAction(module=one.module, host=one.host, reason=one.reason) for one in decision.actions],
        observe=[spec.name for spec in decision.observe],
        unmet=decision.unmet,
        unknown=decision.unknown,
        later=later,
    )
    tx.emit(decided, subject=loop_subject(iteration.loop_id))
    loop_rows.move_iteration(
        tx,
        iteration.id,
        IterationEvent.DECIDED,
        decided_by=by,
        reasoning=decision.reasoning,
        decision=decision,
        decided_at=tx.now,
    )
    loop_rows.leave_out(tx, iteration.loop_id, generation, decision.left_out)
    if decision.unmet or decision.actions:
        note_condition(tx, iteration, generation, decision)
    of = max((action.n for action in actions), default=0)
    return [action_units.insert_action(tx, iteration, action, of) for action in actions]


@unit
def delay(tx: Tx, iteration: Iteration, generation: int, retry: PendingRetry, *, decision: Decision, by: str) -> None:
    """Record a decision that is not executed now, and end the iteration: the next one follows after a pause."""
    record_decision(tx, iteration, generation, decision, by=by, actions=[], later=len(decision.actions))
    end_iteration(tx, iteration, generation, IterationOutcome.DELAYED)
    note_retry(tx, iteration, generation, retry)


@unit
def note_retry(tx: Tx, iteration: Iteration, generation: int, retry: PendingRetry) -> None:
    """Record what the loop waits for after the iteration, so that people see why nothing happens."""
    loop_rows.update_loop(tx, iteration.loop_id, generation, retry=retry)
    seconds = seconds_between(tx.now, retry.at)
    if seconds >= SHOWN_PAUSE:
        fact = IterationDelayed(
            iteration_id=iteration.id,
            calls=retry.calls,
            seconds=round(seconds, 1),
            attempts=retry.attempts,
            of=retry.of,
        )
        tx.emit(fact, subject=loop_subject(iteration.loop_id))


@unit
def block(tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str) -> None:
    """Record a decision that the loop is blocked, and end the iteration."""
    record_decision(tx, iteration, generation, decision, by=by, actions=[])
    end_iteration(tx, iteration, generation, IterationOutcome.BLOCKED, error=decision.blocked)


def note_condition(tx: Tx, iteration: Iteration, generation: int, decision: Decision) -> None:
    """Record that the loop has drifted, with a fact if it was in sync before; or that its condition is not known."""
    loop = loop_rows.get_loop(tx, iteration.loop_id)
    condition = Condition.DRIFTED if _has_seen_drift(tx, iteration, decision) else Condition.UNKNOWN
    if condition is Condition.DRIFTED and loop.condition is Condition.IN_SYNC:
        tx.emit(LoopDrifted(iteration_id=iteration.id, unmet=decision.unmet), subject=loop_subject(loop.id))
    if loop.condition is not condition:
        loop_rows.update_loop(tx, loop.id, generation, condition=condition)


def _has_seen_drift(tx: Tx, iteration: Iteration, decision: Decision) -> bool:
    """Whether a difference was observed: not if all of them are about denied observations."""
    if decision.actions:
        return True
    seen = observation_rows.get_observations(tx, iteration.id)
    all_denied = bool(seen) and all(one.state is ObservationState.DENIED for one in seen)
    return not all_denied and not set(decision.unmet) <= set(decision.unknown)


@unit
def lose_model_calls(tx: Tx, iteration: Iteration) -> None:
    """Mark model calls as unknown that were in flight when the process died."""
    for call in model_call_rows.get_open_model_calls(tx, iteration.loop_id):
        model_call_rows.finish_model_call(
            tx,
            call.id,
            CallOutcome.UNKNOWN,
            input_tokens=None,
            output_tokens=None,
            cost_usd=None,
            latency=None,
            response="",
            error="its process ended before the answer was stored",
        )
