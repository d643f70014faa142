"""Units of work about approvals; see `units.runs`. What they are worth is checked here again, in the transaction."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.problem import Code, Problem, conflict
from ftl2_enterprise.gate.approvals import ApprovalTerms, describe, is_complete, why_not_allowed
from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.rows import approvals as approval_rows, loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.loops.units import actions as action_units, prompts as prompt_units, runs as run_units
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.approvals import (
    APPROVE,
    REJECT,
    ApprovalRequest,
    ApprovalState,
    NewApproval,
)
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import (
    ApprovalAction,
    ApprovalGiven,
    ApprovalRequested,
    LoopAnswered,
    LoopAsked,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import Iteration, IterationOutcome, Prompt, PromptKind, PromptState
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def ask(tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str, new: NewApproval) -> Prompt:
    """Commit the decision and the request to approve its actions; the loop waits for people."""
    approval_rows.void_unused(tx, iteration.loop_id, "it was asked again")
    prompt = prompt_rows.insert_prompt(
        tx,
        iteration,
        key=f"approval:{iteration.n}",
        question=new.question,
        options=[APPROVE, REJECT],
        default=None,
        context=new.context,
        deadline_at=new.deadline_at,
        kind=PromptKind.APPROVAL,
    )
    prompt_units.record_asked(tx, iteration, decision, prompt, by=by)
    request = approval_rows.insert_approval(tx, iteration, prompt, new)
    requested = ApprovalRequested(
        iteration_id=iteration.id,
        approval_id=request.id,
        prompt_id=prompt.id,
        effects_digest=request.effects_digest,
        observations_digest=request.observations_digest,
        actions=[
            ApprovalAction(n=one.n, module=one.module, host=one.host, summary=summary, refused=one.refused)
            for one, summary in zip(new.actions, new.summaries, strict=True)
        ],
        why=new.why,
        again=new.again,
        origin=new.origin,
        decider=by,
        reasoning=decision.reasoning or None,
        needs=_who(approval_terms.terms_of(request)),
        deadline_at=new.deadline_at,
    )
    tx.emit(requested, subject=loop_subject(iteration.loop_id))
    loop_rows.move_loop(tx, iteration.loop_id, generation, LoopAsked(prompt_id=prompt.id))
    run_units.note_condition(tx, iteration, generation, decision)
    return prompt


@unit
def decide(tx: Tx, prompt_id: int, caller: Caller, *, approved: bool, reason: str | None = None) -> Prompt:
    """Record the decision of a person; the prompt closes when it is settled by it.

    Raises Problem: conflict when it is settled or the person has approved it before, denied when the consent of the
    person would not count.
    """
    verb = "approve" if approved else "reject"
    prompt = prompt_rows.get_prompt_to(tx, verb, prompt_id)
    request = approval_rows.of_prompt(tx, prompt_id)
    if request is None:
        raise conflict(f"cannot {verb} prompt {prompt_id}: it is a question", f"`answer {prompt_id}` answers it")
    if prompt.state is not PromptState.OPEN or request.state is not ApprovalState.OPEN:
        state = prompt.state if request.state is ApprovalState.OPEN else request.state
        why = f" ({request.reason})" if request.reason else ""
        raise conflict(f"cannot {verb} prompt {prompt_id}: it is {state} already{why}")
    if not request.asked_at <= tx.now < request.deadline_at:
        raise conflict(
            f"cannot {verb} prompt {prompt_id}: it had to be decided before {moment(request.deadline_at)}",
            "it is asked again if it is still needed",
        )
    terms = approval_terms.terms_of(request)
    if approved and (why_not := why_not_allowed(terms, approval_terms.approver_of(caller))) is not None:
        raise Problem(
            Code.DENIED,
            f"cannot approve prompt {prompt_id} as {caller.name} (uid {caller.uid}): {why_not}",
            hint=f"it needs {'; and '.join(_who(terms))}",
        )
    if any(vote.uid == caller.uid for vote in approval_rows.get_votes(tx, request.id)) and approved:
        left = approval_terms.missing(request, approval_rows.get_votes(tx, request.id))
        raise conflict(f"cannot approve prompt {prompt_id} again: {caller.name} has approved it", left)
    if not approved:
        approval_rows.reject(tx, request, caller, reason)
        return prompt_rows.answer_prompt(tx, prompt_id, REJECT, tx.actor or caller.name)
    try:
        approval_rows.insert_vote(tx, request, caller, approved=True, reason=reason)
    except IntegrityError as error:
        raise conflict(f"cannot approve prompt {prompt_id} again: {caller.name} has approved it") from error
    votes = approval_rows.get_votes(tx, request.id)
    left = approval_terms.missing(request, votes)
    given = ApprovalGiven(
        iteration_id=request.iteration_id,
        approval_id=request.id,
        prompt_id=prompt_id,
        effects_digest=request.effects_digest,
        by=caller.name,
        uid=caller.uid,
        reason=reason,
        missing=left,
    )
    tx.emit(given, subject=loop_subject(request.loop_id))
    if left is not None:
        return prompt
    approval_rows.approve(tx, request)
    people = ", ".join(vote.name for vote in votes[:-1])
    last = tx.actor or caller.name
    return prompt_rows.answer_prompt(tx, prompt_id, APPROVE, f"{people}, {last}" if people else last)


def _who(terms: ApprovalTerms) -> list[str]:
    """Who must agree. Two rules may require the same people, each in its own time."""
    return list(dict.fromkeys(describe(need) for need in terms.needs))


@unit
def use(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    approval_id: int,
    decision: Decision,
    *,
    by: str,
    actions: list[action_units.NewAction],
    bound: tuple[str, str],
) -> list[int]:
    """Use the approval, once, and commit the actions that begin with it; returns their ids.

    `bound` are the binding of these actions and the digest of what was observed before them.

    Raises Problem(denied) with what it lacks; then nothing is written.
    """
    request = approval_rows.latest(tx, iteration.loop_id)
    if request is None or request.id != approval_id or request.state is not ApprovalState.APPROVED:
        raise Problem(Code.DENIED, "it is not the newest approval of the loop, or it was used")
    votes = approval_rows.get_votes(tx, approval_id)
    consents = approval_terms.approvals_of(votes)
    effects, observations = bound
    why = is_complete(
        approval_terms.terms_of(request), consents, now=tx.now, effects=effects, observations=observations
    )
    if why is not None:
        raise Problem(Code.DENIED, why)
    approval_rows.use(tx, request, iteration.id, [one.approver.name for one in consents])
    return run_units.record_decision(tx, iteration, generation, decision, by=by, actions=actions)


@unit
def end(tx: Tx, approval_id: int, *, reason: str) -> None:
    """Record that an approval is not used: it has expired, or something changed that it was bound to."""
    request = approval_rows.get_approval(tx, approval_id)
    if request is None or request.state not in {ApprovalState.OPEN, ApprovalState.APPROVED}:
        return
    if tx.now >= request.deadline_at:
        approval_rows.expire(tx, request, reason)
    else:
        approval_rows.void(tx, request, reason)


@unit
def end_unapproved(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    *,
    asked: ApprovalRequest | None,
    reason: str,
    actions: list[action_units.NewAction],
) -> None:
    """End the iteration without its actions, which are recorded as denied.

    `asked` is the request that the loop waited for in this iteration.
    """
    if asked is not None:
        loop_rows.move_loop(tx, iteration.loop_id, generation, LoopAnswered(prompt_id=asked.prompt_id))
        request = approval_rows.get_approval(tx, asked.id)
        if request is not None and request.state is ApprovalState.OPEN:
            approval_rows.expire(tx, request, reason)
    of = max((action.n for action in actions), default=0)
    for action in actions:
        action_units.insert_action(tx, iteration, action, of)
    run_units.end_iteration(
        tx,
        iteration,
        generation,
        IterationOutcome.UNAPPROVED,
        error=reason,
        loop_values={"failed_iterations": 0, "rule_streak": 0},
    )
