"""Units of work: each is one transaction, all or nothing, fenced by the generation of the loop's claim.

Every function takes a transaction and plain values and returns plain values, so that a unit can be carried out by
whichever process does the writing. Texts that arrive here are redacted already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops import (
    store,
    store_actions,
    store_calls,
    store_hosts,
    store_observations,
    store_prompts,
    store_rules,
)
from ftl2_enterprise.loops.facts import merged
from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent, LoopEvent
from ftl2_enterprise.protocol.loops import (
    Action,
    ActionState,
    CallOutcome,
    Condition,
    Decision,
    Iteration,
    IterationOutcome,
    IterationState,
    LoopState,
    ObservationState,
    Prompt,
    PromptState,
)
from ftl2_enterprise.store.events import short

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx


class NewObservation(Wire, frozen=True):
    """The intent to look at something."""

    name: str
    module: str
    host: str
    params: dict[str, Any]
    origin: str
    refused: str | None = None
    """Why it is not even tried."""
    denied: bool = False
    """Refused by policy."""


class DoneObservation(Wire, frozen=True):
    """What came of an observation."""

    id: int
    name: str
    host: str
    state: ObservationState
    result: str
    """JSON."""
    error: str | None


class NewAction(Wire, frozen=True):
    """The intent to change something on one host."""

    n: int
    host: str
    target: str
    module: str
    params: dict[str, Any]
    origin: str
    summary: str
    event: ActionEvent | None = None
    """A move that is made at once: denied, previewed, or failed because it cannot be tried."""
    reason: str | None = None


class DoneAction(Wire, frozen=True):
    """What came of an action."""

    id: int
    event: ActionEvent
    changed: bool | None = None
    rc: int | None = None
    stdout: str = ""
    stderr: str = ""
    output: str = ""
    error: str | None = None
    seconds: float = 0.0


# --- runs ----------------------------------------------------------------------------------------------------------


def start_run(tx: Tx, loop_id: int, generation: int, *, run: int, resumed: bool, max_iterations: int) -> None:
    """The loop runs: a new run, or the one that was interrupted."""
    state = store.move_loop(
        tx,
        loop_id,
        generation,
        LoopEvent.STARTED,
        data={"run": run, "resumed": resumed, "max_iterations": max_iterations},
        run=run,
        next_run_at=None,
    )
    iteration = store.open_iteration(tx, loop_id)
    if state is not LoopState.WAITING and iteration is not None and iteration.state is IterationState.ASKING:
        # It was paused while it waited: its question is settled in the state in which it was asked.
        prompt = store_prompts.get_prompt_of_iteration(tx, iteration)
        store.move_loop(tx, loop_id, generation, LoopEvent.ASKED, data={"prompt_id": prompt.id})


def end_run(
    tx: Tx, loop_id: int, generation: int, event: LoopEvent, *, data: dict[str, Any], values: dict[str, Any]
) -> None:
    """The loop ends, rests, or stops until a person does something."""
    values = {name: short(value) if name == "reason" else value for name, value in values.items()}
    store.move_loop(tx, loop_id, generation, event, data=data, **values)


# --- iterations ----------------------------------------------------------------------------------------------------


def begin_iteration(tx: Tx, loop_id: int, *, run: int, in_run: int, budget: int) -> Iteration:
    """One more pass."""
    iteration = store.insert_iteration(tx, loop_id, run)
    tx.emit(
        "iteration.started",
        loop_id=loop_id,
        iteration_id=iteration.id,
        n=iteration.n,
        run=run,
        in_run=in_run,
        of=budget,
    )
    return iteration


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
    """The pass is over; what the loop remembers of it is written with it."""
    values: dict[str, Any] = {"outcome": outcome, "ended_at": tx.now}
    if error is not None:
        values["error"] = short(error)
    if reasoning is not None:
        values["reasoning"] = reasoning
    if decided_by is not None:
        values["decided_by"] = decided_by
    store.move_iteration(tx, iteration.id, IterationEvent.ENDED, **values)
    if loop_values:
        store.update_loop(tx, iteration.loop_id, generation, **loop_values)
    done = store_actions.get_actions_for_iteration(tx, iteration.id)
    tx.emit(
        "iteration.ended",
        loop_id=iteration.loop_id,
        iteration_id=iteration.id,
        n=iteration.n,
        outcome=outcome,
        error=error,
        changed=sum(1 for action in done if action.changed and action.state is ActionState.SUCCEEDED),
        failed=sum(1 for action in done if action.state is ActionState.FAILED),
    )


def converge(tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str) -> None:
    """The desired state is verified."""
    record_decision(tx, iteration, generation, decision, by=by, actions=[])
    loop = store.get_loop(tx, iteration.loop_id)
    by_check = by == "check"
    values: dict[str, Any] = {
        "condition": Condition.IN_SYNC,
        "failed_iterations": 0,
        "rule_streak": 0,
        "check": decision.check or loop.check,
    }
    if not by_check:
        values |= {"audited_at": tx.now, "next_observations": decision.observe}
    outcome = IterationOutcome.CHECK_HELD if by_check else IterationOutcome.CONVERGED
    end_iteration(tx, iteration, generation, outcome, loop_values=values)
    of_run = store.iterations_of_run(tx, loop.id, loop.run)
    tx.emit(
        "loop.converged",
        loop_id=loop.id,
        iteration_id=iteration.id,
        run=loop.run,
        iterations=len(of_run),
        changed=store_actions.count_changed(tx, [one.id for one in of_run]),
        by=by,
    )


def give_up(
    tx: Tx, iteration: Iteration, generation: int, *, outcome: IterationOutcome, lost: str, reason: str
) -> None:
    """An iteration that cannot go on: what was in flight is unknown, what had not begun is skipped."""
    lose_observations(tx, iteration)
    lose_model_calls(tx, iteration)
    lose_actions(tx, iteration, reason=lost)
    for action in store_actions.get_actions_for_iteration(tx, iteration.id):
        if action.state is ActionState.PROPOSED:
            end_action(tx, iteration, DoneAction(id=action.id, event=ActionEvent.SKIPPED, error=reason))
    for prompt in store_prompts.get_prompts(tx, iteration.loop_id, state=PromptState.OPEN):
        store_prompts.dismiss_prompt(tx, prompt.id)
    end_iteration(tx, iteration, generation, outcome, error=reason)


# --- observations --------------------------------------------------------------------------------------------------


def begin_observations(tx: Tx, iteration: Iteration, wanted: list[NewObservation]) -> list[int]:
    """Commit what is about to be looked at; what is refused ends here."""
    ids: list[int] = []
    for new in wanted:
        row = store_observations.insert_observation(
            tx, iteration, name=new.name, module=new.module, host=new.host, params=new.params, origin=new.origin
        )
        if new.refused is not None:
            state = ObservationState.DENIED if new.denied else ObservationState.FAILED
            store_observations.finish_observation(tx, row, state, result="{}", error=new.refused)
        ids.append(row)
    return ids


def end_observations(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    done: list[DoneObservation],
    *,
    facts: dict[str, dict[str, Any]],
) -> None:
    """Commit what was seen, and what it tells about hosts."""
    for seen in done:
        store_observations.finish_observation(tx, seen.id, seen.state, result=seen.result, error=seen.error)
    if facts:
        known = {host.name: host.facts for host in store_hosts.get_hosts(tx, iteration.loop_id)}
        for host, found in facts.items():
            now = merged(known.get(host, {}), found)
            if now != known.get(host):
                store_hosts.set_host_facts(tx, iteration.loop_id, host, now)
    store.update_loop(tx, iteration.loop_id, generation, observed_at=tx.now)


def observed(tx: Tx, iteration: Iteration, *, check: list[str] | None) -> None:
    """Everything is seen and judged; `check` is what the recorded check found unmet, None without one."""
    every = store_observations.get_observations(tx, iteration.id)
    bad = [seen for seen in every if seen.state in {ObservationState.FAILED, ObservationState.UNKNOWN}]
    tx.emit(
        "iteration.observed",
        loop_id=iteration.loop_id,
        iteration_id=iteration.id,
        names=list(dict.fromkeys(seen.name for seen in every)),
        failed=[{"name": seen.name, "host": seen.host, "error": seen.error} for seen in bad],
        denied=[seen.name for seen in every if seen.state is ObservationState.DENIED],
    )
    if check is not None:
        tx.emit(
            "iteration.checked",
            loop_id=iteration.loop_id,
            iteration_id=iteration.id,
            held=not check,
            unmet=check,
        )
    store.move_iteration(tx, iteration.id, IterationEvent.OBSERVED)


def lose_observations(tx: Tx, iteration: Iteration) -> None:
    """What was being looked at when it was cut off is not known."""
    for seen in store_observations.get_observations(tx, iteration.id):
        if seen.state is ObservationState.RUNNING:
            store_observations.finish_observation(
                tx, seen.id, ObservationState.UNKNOWN, result="{}", error="cut off before its result was stored"
            )


# --- decisions -----------------------------------------------------------------------------------------------------


def record_decision(
    tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str, actions: list[NewAction]
) -> list[int]:
    """Commit the decision with every action it means, before anything is done about it."""
    tx.emit(
        "iteration.decided",
        loop_id=iteration.loop_id,
        iteration_id=iteration.id,
        by=by,
        reasoning=decision.reasoning,
        converged=decision.converged,
        blocked=decision.blocked,
        question=decision.ask.question if decision.ask else None,
        actions=[{"module": a.module, "host": a.host, "reason": a.reason} for a in decision.actions],
        observe=[spec.name for spec in decision.observe],
        unmet=decision.unmet,
    )
    store.move_iteration(
        tx,
        iteration.id,
        IterationEvent.DECIDED,
        decided_by=by,
        reasoning=decision.reasoning,
        decision=decision,
        decided_at=tx.now,
    )
    if decision.unmet or decision.actions:
        _note_drift(tx, iteration, generation, decision)
    of = max((action.n for action in actions), default=0)
    return [_insert_action(tx, iteration, action, of) for action in actions]


def block(tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str) -> None:
    """It cannot be done, says the decision."""
    record_decision(tx, iteration, generation, decision, by=by, actions=[])
    end_iteration(tx, iteration, generation, IterationOutcome.BLOCKED, error=decision.blocked)


def _note_drift(tx: Tx, iteration: Iteration, generation: int, decision: Decision) -> None:
    loop = store.get_loop(tx, iteration.loop_id)
    if loop.condition is Condition.IN_SYNC:
        tx.emit("loop.drifted", loop_id=loop.id, iteration_id=iteration.id, unmet=decision.unmet)
    if loop.condition is not Condition.DRIFTED:
        store.update_loop(tx, loop.id, generation, condition=Condition.DRIFTED)


def begin_rule(tx: Tx, iteration: Iteration, generation: int, *, rule: str, digest: str) -> int:
    """A rule's condition holds and its action is about to run."""
    if store.get_iteration(tx, iteration.id).state is IterationState.OBSERVING:
        line = f"rule {rule}: its condition holds"
        record_decision(
            tx, iteration, generation, Decision(reasoning=line, unmet=[line]), by=f"rule:{rule}", actions=[]
        )
    tx.emit("rule.matched", loop_id=iteration.loop_id, iteration_id=iteration.id, rule=rule)
    return store_rules.insert_rule_result(
        tx, iteration, rule_name=rule, rule_digest=digest, matched=True, fired=True, success=None, detail=None
    )


def note_rule(tx: Tx, iteration: Iteration, *, rule: str, digest: str, matched: bool, detail: str) -> None:
    """A rule that did not fire although it matched, or whose condition could not be evaluated."""
    store_rules.insert_rule_result(
        tx,
        iteration,
        rule_name=rule,
        rule_digest=digest,
        matched=matched,
        fired=False,
        success=None,
        detail=short(detail),
    )
    if not matched:
        tx.emit("rule.broken", loop_id=iteration.loop_id, iteration_id=iteration.id, rule=rule, error=detail)


def end_rule(tx: Tx, iteration: Iteration, result_id: int, *, rule: str, success: bool, detail: str) -> None:
    """The rule's action is over."""
    store_rules.update_rule_result(tx, result_id, success=success, detail=short(detail))
    tx.emit(
        "rule.fired",
        loop_id=iteration.loop_id,
        iteration_id=iteration.id,
        rule=rule,
        success=success,
        detail=detail,
    )


def lose_model_calls(tx: Tx, iteration: Iteration) -> None:
    """Calls that were in flight when the process died ended nobody knows how."""
    for call in store_calls.get_open_model_calls(tx, iteration.loop_id):
        store_calls.finish_model_call(
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


# --- actions -------------------------------------------------------------------------------------------------------


def _insert_action(tx: Tx, iteration: Iteration, new: NewAction, of: int) -> int:
    row = store_actions.insert_action(
        tx,
        iteration,
        n=new.n,
        host=new.host,
        target=new.target,
        module=new.module,
        params=new.params,
        origin=new.origin,
    )
    if new.event is not None:
        store_actions.move_action(tx, row, new.event, error=new.reason)
        facts: dict[str, Any] = {"action_id": row, "n": new.n, "of": of, "module": new.module, "host": new.host}
        if new.event is ActionEvent.PREVIEWED:
            facts["summary"] = new.summary
        elif new.event is ActionEvent.FAILED:
            facts |= {"error": new.reason, "rc": None, "seconds": 0.0}
        else:
            facts["reason"] = new.reason
        tx.emit(f"action.{new.event}", loop_id=iteration.loop_id, iteration_id=iteration.id, **facts)
    return row


def propose_actions(tx: Tx, iteration: Iteration, actions: list[NewAction]) -> list[int]:
    """Actions that a rule makes up while it runs."""
    return [_insert_action(tx, iteration, action, action.n) for action in actions]


def start_actions(tx: Tx, iteration: Iteration, actions: list[tuple[int, str]], *, of: int) -> None:
    """Commit that these (id, summary) begin now; from here on a crash makes them unknown."""
    for action_id, summary in actions:
        store_actions.move_action(tx, action_id, ActionEvent.STARTED)
        action = store_actions.get_action(tx, action_id)
        tx.emit(
            "action.started",
            loop_id=iteration.loop_id,
            iteration_id=iteration.id,
            action_id=action_id,
            n=action.n,
            of=of,
            module=action.module,
            host=action.host,
            target=action.target,
            origin=action.origin,
            summary=summary,
        )


def end_action(tx: Tx, iteration: Iteration, done: DoneAction) -> Action:
    """Commit the truth about an action."""
    store_actions.move_action(
        tx,
        done.id,
        done.event,
        changed=done.changed,
        rc=done.rc,
        stdout=done.stdout,
        stderr=done.stderr,
        output=done.output,
        error=done.error,
    )
    action = store_actions.get_action(tx, done.id)
    facts: dict[str, Any] = {"action_id": done.id, "n": action.n, "module": action.module, "host": action.host}
    match done.event:
        case ActionEvent.SUCCEEDED:
            facts |= {"changed": bool(done.changed), "seconds": done.seconds}
        case ActionEvent.FAILED:
            facts |= {"error": done.error, "rc": done.rc, "seconds": done.seconds}
        case _:
            facts["reason"] = done.error
    tx.emit(f"action.{done.event}", loop_id=iteration.loop_id, iteration_id=iteration.id, **facts)
    return action


def lose_actions(tx: Tx, iteration: Iteration, *, reason: str) -> None:
    """Mark what was in flight as unknown."""
    for action in store_actions.get_actions_for_iteration(tx, iteration.id):
        if action.state is ActionState.RUNNING:
            end_action(tx, iteration, DoneAction(id=action.id, event=ActionEvent.LOST, error=reason))


# --- questions -----------------------------------------------------------------------------------------------------


def ask(
    tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str, key: str, deadline: int | None
) -> Prompt:
    """Commit the question; the loop waits for its answer."""
    assert decision.ask is not None
    prompt = store_prompts.insert_prompt(
        tx,
        iteration,
        key=key,
        question=decision.ask.question,
        options=decision.ask.options,
        default=decision.ask.default,
        context=decision.reasoning or None,
        deadline_at=deadline,
    )
    store.move_iteration(
        tx,
        iteration.id,
        IterationEvent.ASKED,
        decided_by=by,
        reasoning=decision.reasoning,
        decision=decision,
        decided_at=tx.now,
    )
    tx.emit(
        "prompt.asked",
        loop_id=iteration.loop_id,
        iteration_id=iteration.id,
        prompt_id=prompt.id,
        question=prompt.question,
        options=prompt.options,
        default=prompt.default,
        context=prompt.context,
        deadline_at=deadline,
    )
    store.move_loop(tx, iteration.loop_id, generation, LoopEvent.ASKED, data={"prompt_id": prompt.id})
    if decision.unmet:
        _note_drift(tx, iteration, generation, decision)
    return prompt


def go_on(tx: Tx, iteration: Iteration, generation: int, prompt_id: int, *, stopped: str | None = None) -> None:
    """The question is settled: the iteration ends and the loop runs, unless the answer was to stop."""
    store.move_loop(tx, iteration.loop_id, generation, LoopEvent.ANSWERED, data={"prompt_id": prompt_id})
    end_iteration(
        tx,
        iteration,
        generation,
        IterationOutcome.ASKED if stopped is None else IterationOutcome.BLOCKED,
        error=stopped,
        loop_values={"failed_iterations": 0, "rule_streak": 0},
    )
