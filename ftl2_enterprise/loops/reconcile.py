"""One run of a loop: observe, check, rules, decide, execute, record, until it is settled how the run ended.

Nothing is remembered between iterations but what the database holds: an iteration that was interrupted is picked up
from the step that its rows say it was at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.loops import (
    acting,
    asking,
    deciding,
    firing,
    observing,
    registering,
    store,
    store_actions,
    units,
)
from ftl2_enterprise.loops.ports import DeciderFailed
from ftl2_enterprise.protocol.loops import (
    Action,
    ActionState,
    Decision,
    Iteration,
    IterationOutcome,
    IterationState,
    Loop,
    Outcome,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine import Engine
    from ftl2_enterprise.loops.observing import View
    from ftl2_enterprise.store.tx import Tx


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended. `outcome` is None when it did not: it was stopped, or waits for an answer."""

    outcome: Outcome | None
    reason: str | None = None
    waiting: bool = False


STOPPED = RunEnd(outcome=None, reason="stopped")
CHECK = "check"
"""Who decided, when the recorded check held and nobody was asked."""


async def run(engine: Engine) -> RunEnd:
    """Iterate until the run ends."""
    while True:
        if engine.stop.requested.is_set():
            return STOPPED
        loop, so_far = engine.journal.read(_standing, engine.journal.loop_id)
        iteration = so_far[-1] if so_far and so_far[-1].state is not IterationState.ENDED else None
        fresh = iteration is None
        if iteration is None:
            if (end := _spent(engine, so_far)) is not None:
                return end
            iteration = engine.journal.commit(
                units.begin_iteration,
                loop.id,
                run=loop.run,
                in_run=len(so_far) + 1,
                budget=engine.spec.max_iterations,
            )
            reach(FaultPoint.ITERATION_STARTED)
        else:
            iteration = _pick_up(engine, iteration)
            if iteration is None:
                continue
        end = await _iterate(engine, loop, iteration, resumed=not fresh)
        reach(FaultPoint.ITERATION_ENDED)
        if end is not None:
            return end


def _standing(tx: Tx, loop_id: int) -> tuple[Loop, list[Iteration]]:
    """The loop and the iterations of its run; only the last one can be open."""
    loop = store.get_loop(tx, loop_id)
    return loop, store.iterations_of_run(tx, loop.id, loop.run)


def _spent(engine: Engine, so_far: Sequence[Iteration]) -> RunEnd | None:
    """The run's end when its budget is spent, or when policy leaves nothing to do."""
    denied = [one for one in so_far[-2:] if one.outcome is IterationOutcome.DENIED]
    spent = len(so_far) >= engine.spec.max_iterations
    if len(denied) == 2 or (spent and denied):
        return RunEnd(outcome=Outcome.DENIED, reason=denied[-1].error)
    if not spent:
        return None
    last = so_far[-1].error or so_far[-1].reasoning
    words = "1 iteration was" if len(so_far) == 1 else f"{len(so_far)} iterations were"
    return RunEnd(outcome=Outcome.NOT_CONVERGED, reason=f"{words} not enough" + (f"; last: {last}" if last else ""))


# --- after a crash -------------------------------------------------------------------------------------------------


def _pick_up(engine: Engine, iteration: Iteration) -> Iteration | None:
    """Make an interrupted iteration fit to go on; None when it had to be ended, and a new one must observe again."""
    age = seconds_between(iteration.started_at, engine.clock.now())
    stale = not 0 <= age <= engine.limits.stale_after
    if iteration.state is IterationState.ASKING:
        return iteration
    engine.journal.commit(units.lose_observations, iteration)
    engine.journal.commit(units.lose_model_calls, iteration)
    if iteration.state is IterationState.EXECUTING:
        lost = engine.journal.commit(
            units.lose_actions, iteration, reason="its process ended while the action was in flight"
        )
        by_rule = (iteration.decided_by or "").startswith("rule:")
        unfinished = lost or stale or by_rule
    else:
        unfinished = stale
    if not unfinished:
        return iteration
    engine.journal.commit(
        units.interrupt, iteration, engine.journal.generation, reason="interrupted; observing again first"
    )
    return None


# --- one iteration -------------------------------------------------------------------------------------------------


async def _iterate(engine: Engine, loop: Loop, iteration: Iteration, *, resumed: bool) -> RunEnd | None:
    match iteration.state:
        case IterationState.OBSERVING:
            return await _observe(engine, loop, iteration, resumed=resumed)
        case IterationState.DECIDING:
            view = observing.view_of(engine.journal.read(observing.stored_observations, iteration.id))
            matches = await firing.matching(engine, iteration, engine.load_rules(), view, note=False)
            return await _decide(engine, loop, iteration, view, [rule.name for rule in matches])
        case IterationState.ASKING:
            return await _wait_for_answer(engine, iteration)
        case _:
            rows = engine.journal.read(store_actions.get_actions_for_iteration, iteration.id)
            planned, masked = acting.remaining(rows)
            engine.journal.commit(
                units.skip_actions, iteration, masked, reason="it needs a secret that is not stored; decided anew"
            )
            return await _execute(engine, loop, iteration, iteration.decision or Decision(), planned)


async def _observe(engine: Engine, loop: Loop, iteration: Iteration, *, resumed: bool) -> RunEnd | None:
    rules = engine.load_rules()
    have = engine.journal.read(observing.stored_observations, iteration.id) if resumed else []
    view = await observing.observe(engine, iteration, deciding.wanted(engine, loop, iteration, rules), have)
    if view is None:
        return STOPPED
    unmet = deciding.unmet_by_check(engine, loop, view)
    matches = await firing.matching(engine, iteration, rules, view, note=True)
    allowed = firing.allowed(engine, loop, iteration, matches)
    if allowed:
        await firing.fire(engine, loop, iteration, allowed)
        return RunEnd(outcome=Outcome.PREVIEWED) if engine.spec.dry_run else _stopped(engine)
    engine.journal.commit(units.observed, iteration, check=unmet)
    if unmet == [] and not matches:
        return _converge(engine, iteration, Decision(converged=True, reasoning="the recorded check holds"), by=CHECK)
    return await _decide(engine, loop, iteration, view, [rule.name for rule in matches])


async def _decide(
    engine: Engine, loop: Loop, iteration: Iteration, view: View, matched: Sequence[str]
) -> RunEnd | None:
    situation = deciding.situation(engine, loop, iteration, view, matched)
    try:
        decision = await deciding.decide(engine, iteration, situation)
    except DeciderFailed as failed:
        message = engine.redactor.text(failed.message)
        engine.journal.commit(
            units.end_iteration,
            iteration,
            engine.journal.generation,
            IterationOutcome.MODEL_FAILED,
            error=message,
            decided_by=engine.decider.name,
        )
        return RunEnd(outcome=Outcome.MODEL_FAILED, reason=message)
    if decision is None:
        return STOPPED
    by = engine.decider.name
    if decision.blocked is not None:
        return _block(engine, iteration, decision, by=by)
    if decision.converged:
        return _converge(engine, iteration, decision, by=by)
    if decision.ask is None and decision.actions and situation.must_ask:
        decision = deciding.insist(decision, iteration, failed=loop.failed_iterations)
    if decision.ask is not None:
        registering.apply_now(engine, iteration, decision.state_ops)
        asking.put(engine, iteration, deciding.redacted(engine, decision), by=by)
        return await _wait_for_answer(engine, iteration)
    rows = acting.plan(engine, decision.actions, origin="decision")
    stored = deciding.redacted(engine, decision)
    ids = engine.journal.commit(
        units.record_decision, iteration, engine.journal.generation, stored, by=by, actions=rows
    )
    reach(FaultPoint.DECISION_RECORDED)
    return await _execute(engine, loop, iteration, decision, acting.runnable(decision.actions, rows, ids))


async def _execute(
    engine: Engine, loop: Loop, iteration: Iteration, decision: Decision, planned: Sequence[acting.Planned]
) -> RunEnd | None:
    if not await acting.execute(engine, iteration, planned):
        return STOPPED
    rows = engine.journal.read(store_actions.get_actions_for_iteration, iteration.id)
    if not engine.spec.dry_run:
        await registering.apply(engine, iteration, [*decision.state_ops, *registering.machines_made(engine, rows)])
    reach(FaultPoint.STATE_OPS_DONE)
    outcome = _outcome_of(engine, rows)
    failed = [row for row in rows if row.state in {ActionState.FAILED, ActionState.UNKNOWN, ActionState.DENIED}]
    values: dict[str, Any] = {"rule_streak": 0}
    if rows:
        values["failed_iterations"] = loop.failed_iterations + 1 if failed else 0
    engine.journal.commit(
        units.end_iteration,
        iteration,
        engine.journal.generation,
        outcome,
        error=f"{failed[0].module} on {failed[0].host}: {failed[0].error}" if failed else None,
        loop_values=values,
    )
    return RunEnd(outcome=Outcome.PREVIEWED) if outcome is IterationOutcome.PREVIEWED else None


def _outcome_of(engine: Engine, rows: Sequence[Action]) -> IterationOutcome:
    if not rows:
        return IterationOutcome.OBSERVED
    if all(row.state is ActionState.DENIED for row in rows):
        return IterationOutcome.DENIED
    return IterationOutcome.PREVIEWED if engine.spec.dry_run else IterationOutcome.ACTED


async def _wait_for_answer(engine: Engine, iteration: Iteration) -> RunEnd | None:
    prompt = engine.journal.read(asking.prompt_of, iteration)
    settled = await asking.settle(engine, iteration, prompt)
    if settled is None:
        return RunEnd(outcome=None, reason="a question is open", waiting=True)
    if settled.key.startswith(deciding.INSISTED) and settled.answer == deciding.STOP:
        return RunEnd(outcome=Outcome.BLOCKED, reason=f"stopped by {settled.answered_by} after repeated failures")
    return None


# --- the ends of a run ---------------------------------------------------------------------------------------------


def _converge(engine: Engine, iteration: Iteration, decision: Decision, *, by: str) -> RunEnd:
    registering.apply_now(engine, iteration, decision.state_ops)
    engine.journal.commit(
        units.converge, iteration, engine.journal.generation, deciding.redacted(engine, decision), by=by
    )
    return RunEnd(outcome=Outcome.CONVERGED)


def _block(engine: Engine, iteration: Iteration, decision: Decision, *, by: str) -> RunEnd:
    registering.apply_now(engine, iteration, decision.state_ops)
    stored = deciding.redacted(engine, decision)
    engine.journal.commit(units.block, iteration, engine.journal.generation, stored, by=by)
    return RunEnd(outcome=Outcome.BLOCKED, reason=stored.blocked)


def _stopped(engine: Engine) -> RunEnd | None:
    return STOPPED if engine.stop.requested.is_set() else None
