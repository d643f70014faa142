"""One run of a loop: observe, check, fire rules, decide, execute and record, until the run has an outcome.

The only state between iterations is in the database: an interrupted iteration continues from the step that its rows
record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.loops.engine import (
    approving,
    budget_prompt,
    decide,
    execute,
    fire_rules,
    foresee,
    inventory_state,
    observe,
    pacing,
    prompting,
    rule_bindings,
    run_end,
)
from ftl2_enterprise.loops.engine.check import NOTHING_UNMET, Unmet
from ftl2_enterprise.loops.engine.context import Held
from ftl2_enterprise.loops.engine.run_end import RunEnd
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.ports import BudgetReached, CallDenied, DeciderFailed, StoppedWaiting
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    loops as loop_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.loops.units import (
    approvals as approval_units,
    observations as observation_units,
    prompts as prompt_units,
    runs as run_units,
)
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Desired,
    Iteration,
    IterationOutcome,
    IterationState,
    Loop,
    Outcome,
    PromptKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.decide import LoopSnapshot
    from ftl2_enterprise.loops.engine.observe import ObservedState
    from ftl2_enterprise.loops.ports import ObservationResult, Situation
    from ftl2_enterprise.loops.rules.rule import RuleSet


WITHOUT_MODEL = "The model is not called: a person chose to continue without it. Only the check and the rules act."
STOPPED = RunEnd(outcome=None, reason="stopped")


async def run(engine: LoopContext) -> RunEnd:
    """Iterate until the run ends."""
    while True:
        now = engine.journal.read(decide.snapshot, engine.journal.loop_id)
        engine.learn(now.secrets)
        last = now.of_run[-1] if now.of_run else None
        fresh = last is None or last.state is IterationState.ENDED
        if now.loop.is_superseded:
            return STOPPED
        if fresh and (end := run_end.end_of(engine, now)) is not None:
            return end
        # The row counts as well as the signal: another process may change `desired` without being able to signal this
        # one.
        if engine.stop.requested.is_set() or now.loop.desired is not Desired.RUN:
            return STOPPED
        # A question that is open stays open: an answer is no effect.
        is_asking = last is not None and last.state is IterationState.ASKING
        if not is_asking and (freeze := engine.frozen()) is not None:
            return _hold(engine, freeze)
        try:
            if last is None or fresh:
                waited = await _wait_to_retry(engine, now)
                if waited is not None:
                    if not waited:
                        return STOPPED
                    # What a person has changed in the meantime counts.
                    continue
                reason = await _begin(engine, now)
            else:
                can_resume = await _can_resume(engine, last)
                if not can_resume:
                    if can_resume is None:
                        return STOPPED
                    continue
                reason = await _resume(engine, now, last)
        except Held as held:
            return _hold(engine, held.freeze)
        reach(LoopFaultPoint.ITERATION_ENDED)
        if reason is not None:
            return reason


async def _wait_to_retry(engine: LoopContext, now: LoopSnapshot) -> bool | None:
    """Wait before observing again, if the last iterations demand it. False if the loop is asked to stop.

    None if nothing is left to wait for.
    """
    retry = now.loop.retry
    if retry is None and (retry := pacing.to_observe_again(engine, now)) is not None:
        engine.journal.commit(run_units.note_retry, now.of_run[-1], engine.journal.generation, retry)
    if retry is None or (left := pacing.left_until(engine, retry)) <= 0:
        return None
    return await pacing.wait(engine, left)


def _hold(engine: LoopContext, freeze: Freeze) -> RunEnd:
    """End the open iteration, if there is one: the loop observes again when the freeze has ended."""
    sentence = engine.redactor.text(freeze.sentence)
    iteration = engine.journal.read(loop_rows.open_iteration, engine.journal.loop_id)
    if iteration is not None:
        engine.journal.commit(
            run_units.give_up,
            iteration,
            engine.journal.generation,
            outcome=IterationOutcome.INTERRUPTED,
            lost=f"in flight when the loop was held: {sentence}",
            reason=sentence,
        )
    return RunEnd(outcome=None, reason=sentence, frozen=freeze)


# --- after a crash -------------------------------------------------------------------------------------------------


async def _can_resume(engine: LoopContext, iteration: Iteration) -> bool | None:
    """Whether an interrupted iteration can continue; if not, it is ended here, and a new one observes again.

    None if the loop has to stop at once, before that is known.
    """
    if iteration.state is IterationState.ASKING:
        return True
    journal = engine.journal
    age = seconds_between(iteration.started_at, engine.clock.now())
    fit = 0 <= age <= engine.limits.stale_after
    if iteration.state is IterationState.DECIDING:
        fit = fit and observe.are_as_seen(journal.read(observe.stored_observations, iteration.id))
    if iteration.state is IterationState.EXECUTING:
        if not await approving.restore(engine, iteration):
            return None
        rows = journal.read(action_rows.get_actions_for_iteration, iteration.id)
        in_doubt = any(row.state in {ActionState.RUNNING, ActionState.UNKNOWN} for row in rows)
        by_rule = (iteration.decided_by or "").startswith("rule:")
        fit = fit and not in_doubt and not by_rule and execute.can_resume(engine, execute.remaining(engine, rows))
    if fit:
        journal.commit(observation_units.lose_observations, iteration)
        journal.commit(run_units.lose_model_calls, iteration)
    else:
        approving.revoke(engine)
        journal.commit(
            run_units.give_up,
            iteration,
            journal.generation,
            outcome=IterationOutcome.INTERRUPTED,
            lost="its process ended while the action was in flight",
            reason="interrupted; observing again first",
        )
    return fit


# --- one iteration -------------------------------------------------------------------------------------------------


async def _begin(engine: LoopContext, now: LoopSnapshot) -> RunEnd | None:
    """Begin an iteration: commit it with its observations, then observe."""
    rules = await rule_bindings.load(engine)
    planned = rule_bindings.plan_observations(engine, rules, decide.requested_observations(engine, now, rules))
    iteration, ids = engine.journal.commit(
        run_units.begin_iteration,
        now.loop.id,
        run=now.loop.run,
        in_run=len(decide.of_budget(now.of_run)) + 1,
        budget=engine.spec.max_iterations,
        observations=[one.row for one in planned],
    )
    reach(LoopFaultPoint.ITERATION_STARTED)
    begun = list(zip(ids, planned, strict=True))
    return await _judge(engine, now, iteration, rules, await observe.observe(engine, begun))


async def _resume(engine: LoopContext, now: LoopSnapshot, iteration: Iteration) -> RunEnd | None:
    """Continue an interrupted iteration from its recorded state."""
    match iteration.state:
        case IterationState.OBSERVING:
            return await _observe_again(engine, now, iteration)
        case IterationState.DECIDING:
            rules = await rule_bindings.load(engine)
            view = observe.view_of(engine.journal.read(observe.stored_observations, iteration.id))
            judged = await fire_rules.judge(engine, iteration, rules, view, note=False)
            unmet = decide.unmet_by_check(engine, now.loop, view) or NOTHING_UNMET
            situation = decide.situation(engine, now, iteration, rules, view, judged, unmet)
            if (kept := iteration.decision) is not None and not contains_mask(msgspec.to_builtins(kept)):
                return await _follow(engine, now, iteration, kept, situation, by=engine.decider.name, again=None)
            return await _decide(engine, now, iteration, situation, unmet)
        case IterationState.ASKING:
            return await _wait_for_answer(engine, iteration)
        case _:
            rows = engine.journal.read(action_rows.get_actions_for_iteration, iteration.id)
            decision = iteration.decision or Decision()
            return await _execute(engine, now.loop, iteration, decision, execute.remaining(engine, rows))


async def _observe_again(engine: LoopContext, now: LoopSnapshot, iteration: Iteration) -> RunEnd | None:
    """Run the observations that an interrupted iteration did not complete."""
    rules = await rule_bindings.load(engine)
    have = engine.journal.read(observe.stored_observations, iteration.id)
    requested = decide.requested_observations(engine, now, rules)
    planned = rule_bindings.plan_observations(engine, rules, requested, have)
    rows = [one.row for one in planned]
    ids = engine.journal.commit(observation_units.begin_observations, iteration, rows) if rows else []
    begun = list(zip(ids, planned, strict=True))
    return await _judge(engine, now, iteration, rules, await observe.observe(engine, begun, have))


async def _judge(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    rules: RuleSet,
    observed: tuple[ObservedState, observation_units.Results | None] | None,
) -> RunEnd | None:
    """Commit the observations and evaluate them, first by the recorded check, then by the rules."""
    journal = engine.journal
    if observed is None:
        journal.commit(observation_units.lose_observations, iteration)
        return STOPPED
    view, results = observed
    unmet = decide.unmet_by_check(engine, now.loop, view)
    # Rules take time to evaluate and read stored facts of hosts, so results are committed first. Without rules, one
    # commit does both.
    has_rules = bool(rules.rules or rules.broken)
    if results is not None and (has_rules or engine.stop.requested.is_set()):
        journal.commit(observation_units.end_observations, iteration, journal.generation, results)
        reach(LoopFaultPoint.OBSERVATIONS_RECORDED)
        results = None
    judged = await fire_rules.judge(engine, iteration, rules, view, note=True)
    if engine.stop.requested.is_set():
        return STOPPED
    allowed = fire_rules.allowed(engine, iteration, judged.matches)
    if allowed:
        return await fire_rules.fire(engine, now.loop, iteration, allowed)
    # A decider without a model decides immediately and has no effect, so one commit records the results and the
    # decision. What a model is paid for, and facts of hosts that the decision reads from the database, are committed
    # before it. So is that rules were evaluated: after a crash they would be evaluated and reported again.
    has_facts = results is not None and bool(results.facts)
    record = journal.commit if engine.decider.is_model or has_facts or has_rules else journal.defer
    if results is not None:
        journal.reach_with_next(LoopFaultPoint.OBSERVATIONS_RECORDED)
    record(run_units.observed, iteration, journal.generation, check=unmet, results=results)
    if unmet == NOTHING_UNMET and not judged.matches:
        return _converge(
            engine, iteration, Decision(converged=True, reasoning="the recorded check holds"), by=observe.CHECK
        )
    unmet = unmet or NOTHING_UNMET
    situation = decide.situation(engine, now, iteration, rules, view, judged, unmet)
    return await _decide(engine, now, iteration, situation, unmet)


async def _decide(
    engine: LoopContext, now: LoopSnapshot, iteration: Iteration, situation: Situation, unmet: Unmet
) -> RunEnd | None:
    """Execute what people have approved since, or decide."""
    again: str | None = None
    if now.approval is not None and now.approval.state is ApprovalState.APPROVED:
        used = await approving.use(engine, iteration, now.approval, situation.seen)
        if used is None:
            return STOPPED
        if isinstance(used, approving.ApprovedDecision):
            planned = execute.runnable(engine, used.decision.actions, [one.row for one in used.judged], used.ids)
            return await _execute(engine, now.loop, iteration, used.decision, planned)
        again = used
    # A model would decide the same in other words, for money.
    if engine.decider.is_model and (why := approving.still_rejected(engine, situation.seen)):
        return _end_unapproved(engine, iteration, why)
    if engine.decider.is_model and now.loop.spec.without_model:
        without = Decision(reasoning=WITHOUT_MODEL, unmet=unmet.lines, unknown=unmet.unknown)
        return await _follow(engine, now, iteration, without, situation, by="budget", again=again)
    return await _ask_decider(engine, now, iteration, situation, again=again)


async def _ask_decider(
    engine: LoopContext, now: LoopSnapshot, iteration: Iteration, situation: Situation, *, again: str | None
) -> RunEnd | None:
    """Decide. `again` is why an approval of earlier actions could not be used."""
    try:
        decision = await decide.decide(engine, iteration, situation)
    except BudgetReached as reached:
        budget_prompt.put(engine, iteration, reached.breach)
        return await _wait_for_answer(engine, iteration)
    except StoppedWaiting:
        engine.journal.commit(
            run_units.give_up,
            iteration,
            engine.journal.generation,
            outcome=IterationOutcome.INTERRUPTED,
            lost="it was not started",
            reason="waited to call the model; observing again first",
        )
        return None
    except DeciderFailed as failed:
        is_denied = isinstance(failed, CallDenied)
        return engine.journal.commit(
            run_units.end_iteration,
            iteration,
            engine.journal.generation,
            IterationOutcome.DENIED if is_denied else IterationOutcome.MODEL_FAILED,
            error=engine.redactor.text(failed.message),
            decided_by=engine.decider.name,
        )
    if decision is None:
        return STOPPED
    by = engine.decider.name
    return await _follow(engine, now, iteration, decision, situation, by=by, again=again)


async def _follow(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    decision: Decision,
    situation: Situation,
    *,
    by: str,
    again: str | None,
) -> RunEnd | None:
    """Do what was decided."""
    if decision.blocked is not None:
        return _block(engine, iteration, decision, by=by)
    if decision.converged:
        end = run_end.unproven(engine, now, situation, decision)
        if end is not None:
            return _refuse_claim(engine, iteration, decide.redacted(engine, decision), end, by=by)
        return _converge(engine, iteration, decision, by=by)
    if decision.ask is None and decision.actions and situation.must_ask:
        decision = decide.insist(decision, iteration, failed=now.loop.failed_iterations)
    if decision.ask is not None:
        inventory_state.apply_with_next(engine, iteration, decision.state_ops)
        prompting.put(engine, iteration, decide.redacted(engine, decision), by=by)
        return await _wait_for_answer(engine, iteration)
    if engine.decider.is_model and iteration.decision is None and approving.may_ask(engine, decision.actions):
        # It was paid for, and it may take long to find out on the hosts about what people have to be asked.
        engine.journal.commit(run_units.keep_decision, iteration, decide.redacted(engine, decision))
    judged = await execute.judge_to_ask(engine, decision.actions)
    if judged is None:
        return STOPPED
    return await _ask_or_act(engine, now, iteration, decision, judged, situation, by=by, again=again)


async def _ask_or_act(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    decision: Decision,
    judged: Sequence[execute.JudgedAction],
    situation: Situation,
    *,
    by: str,
    again: str | None,
) -> RunEnd | None:
    stored = decide.redacted(engine, decision)
    paced = pacing.pace(engine, now, judged, decision)
    if paced.exhausted is not None:
        return _give_up(engine, iteration, stored, paced.exhausted, by=by)
    if paced.retry is not None:
        journal = engine.journal
        return journal.commit(run_units.delay, iteration, journal.generation, paced.retry, decision=stored, by=by)
    is_asking = approving.must_ask(paced.due)
    if is_asking:
        stored = msgspec.structs.replace(stored, actions=pacing.only_due(stored.actions, paced))
    if paced.later:
        stored = msgspec.structs.replace(stored, reasoning=f"{stored.reasoning} {_named_later(paced.later)}")
    if is_asking:
        # The stored decision is what will be executed, without the text of secrets.
        asked = paced.due
        if (
            stored.actions != decision.actions
            and (asked := await execute.judge_to_ask(engine, stored.actions)) is None
        ):
            return STOPPED
        return await _ask_for_approval(engine, now, iteration, stored, asked, by=by, seen=situation.seen, again=again)
    later = len({one.row.n for one in paced.later} - {one.row.n for one in paced.due})
    rows, journal = await foresee.rows(engine, paced.due), engine.journal
    journal.reach_with_next(LoopFaultPoint.DECISION_RECORDED)
    ids: list[int] = []
    if rows:
        ids = journal.commit(
            run_units.record_decision, iteration, journal.generation, stored, by=by, actions=rows, later=later
        )
    else:
        # Nothing is done about this decision, so it is committed with the end of the iteration.
        journal.defer(run_units.record_decision, iteration, journal.generation, stored, by=by, actions=rows)
    planned = execute.runnable(engine, decision.actions, rows, ids)
    return await _execute(engine, now.loop, iteration, decision, planned, has_later=bool(paced.later))


def _named_later(later: Sequence[execute.JudgedAction]) -> str:
    named = ", ".join(dict.fromkeys(f"{one.row.step or one.row.module} on {one.row.host}" for one in later))
    return f"Left for later: {named}."


def _give_up(engine: LoopContext, iteration: Iteration, decision: Decision, why: str, *, by: str) -> RunEnd:
    """End a run in which everything that could be done was tried often enough."""
    why = engine.redactor.text(why)
    decision = msgspec.structs.replace(
        decision, actions=[], reasoning=f"{decision.reasoning} No further attempt: {why}."
    )
    _end_without_actions(engine, iteration, decision, by=by)
    return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=why)


def _refuse_claim(engine: LoopContext, iteration: Iteration, decision: Decision, end: RunEnd, *, by: str) -> RunEnd:
    """End a run in which a model claims that the state is as desired, and nothing shows it."""
    end = replace(end, reason=engine.redactor.text(end.reason or ""))
    shown = list(map(engine.redactor.text, end.unmet))
    refused = msgspec.structs.replace(decision, converged=False, check=None, unmet=shown)
    _end_without_actions(engine, iteration, refused, by=by)
    return end


def _end_without_actions(engine: LoopContext, iteration: Iteration, decision: Decision, *, by: str) -> None:
    journal = engine.journal
    journal.commit(run_units.record_decision, iteration, journal.generation, decision, by=by, actions=[])
    journal.commit(run_units.end_iteration, iteration, journal.generation, IterationOutcome.OBSERVED)


async def _execute(
    engine: LoopContext,
    loop: Loop,
    iteration: Iteration,
    decision: Decision,
    planned: Sequence[execute.PlannedAction],
    *,
    has_later: bool = False,
) -> RunEnd | None:
    """Execute what is due. `has_later`: some actions are repeated in a later iteration."""
    try:
        if not await execute.execute(engine, iteration, planned):
            return STOPPED
    finally:
        approving.revoke(engine)
    rows: list[Action] = []
    if decision.actions:
        rows = engine.journal.read(action_rows.get_actions_for_iteration, iteration.id)
    created = inventory_state.machines_created(engine, rows)
    applied = inventory_state.apply_with_next(engine, iteration, [*decision.state_ops, *created])
    failed = [row for row in rows if row.state in {ActionState.FAILED, ActionState.UNKNOWN, ActionState.DENIED}]
    values: dict[str, Any] = {"rule_streak": 0}
    if failed:
        values["failed_iterations"] = loop.failed_iterations + 1
    elif rows and not has_later:
        values["failed_iterations"] = 0
    engine.journal.commit(
        run_units.end_iteration,
        iteration,
        engine.journal.generation,
        _outcome_of(engine, rows, previewed=engine.spec.dry_run and bool(decision.state_ops)),
        error=f"{failed[0].module} on {failed[0].host}: {failed[0].error}" if failed else None,
        loop_values=values,
    )
    reach(LoopFaultPoint.STATE_OPS_DONE)
    await inventory_state.wait_for_machines(engine, [op for op in created if op.name in applied])
    return None


def _outcome_of(engine: LoopContext, rows: Sequence[Action], *, previewed: bool) -> IterationOutcome:
    if previewed or any(row.state is ActionState.PREVIEWED for row in rows):
        return IterationOutcome.PREVIEWED if engine.spec.dry_run else IterationOutcome.DRIFTED
    if not rows:
        return IterationOutcome.OBSERVED
    return IterationOutcome.DENIED if all(row.state is ActionState.DENIED for row in rows) else IterationOutcome.ACTED


async def _ask_for_approval(
    engine: LoopContext,
    now: LoopSnapshot,
    iteration: Iteration,
    decision: Decision,
    judged: Sequence[execute.JudgedAction],
    *,
    by: str,
    seen: Sequence[ObservationResult],
    again: str | None,
) -> RunEnd | None:
    why = approving.why_not_askable(judged) or approving.still_rejected(engine, seen, judged)
    if why is not None:
        return _end_unapproved(engine, iteration, why)
    again = again or engine.journal.read(approval_rows.why_again, now.approval, iteration.id)
    await approving.put(engine, now.loop, iteration, decision, judged, by=by, seen=seen, again=again)
    return await _wait_for_answer(engine, iteration)


def _end_unapproved(engine: LoopContext, iteration: Iteration, why: str) -> None:
    engine.journal.commit(
        approval_units.end_unapproved, iteration, engine.journal.generation, asked=None, reason=why, actions=[]
    )


async def _wait_for_answer(engine: LoopContext, iteration: Iteration) -> RunEnd | None:
    prompt = await prompting.settle(engine, engine.journal.read(prompt_rows.get_prompt_of_iteration, iteration))
    if prompt is None:
        return RunEnd(outcome=None, reason="waiting for an answer", waiting=True)
    if prompt.kind is PromptKind.APPROVAL:
        request, why = engine.journal.read(approving.why_unapproved, prompt)
        if why is not None:
            return engine.journal.commit(
                approval_units.end_unapproved,
                iteration,
                engine.journal.generation,
                asked=request,
                reason=why,
                actions=approving.denied(engine, iteration, why),
            )
    stopped = None
    if (about := budget_prompt.question_of(prompt)) is not None:
        stopped = budget_prompt.apply_with_next(engine, prompt, about)
    elif prompt.key.startswith(decide.INSISTED) and prompt.answer in {None, decide.STOP}:
        by = f" by {prompt.answered_by}" if prompt.answered_by else ""
        stopped = f"stopped{by} after repeated failures"
    return engine.journal.commit(
        prompt_units.end_asking, iteration, engine.journal.generation, prompt.id, stopped=stopped
    )


# --- the ends of a run ---------------------------------------------------------------------------------------------


def _converge(engine: LoopContext, iteration: Iteration, decision: Decision, *, by: str) -> None:
    inventory_state.apply_with_next(engine, iteration, decision.state_ops)
    stored = decide.redacted(engine, decision)
    engine.journal.commit(run_units.converge, iteration, engine.journal.generation, stored, by=by)


def _block(engine: LoopContext, iteration: Iteration, decision: Decision, *, by: str) -> None:
    inventory_state.apply_with_next(engine, iteration, decision.state_ops)
    stored = decide.redacted(engine, decision)
    engine.journal.commit(run_units.block, iteration, engine.journal.generation, stored, by=by)
