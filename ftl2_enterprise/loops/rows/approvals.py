"""Queries and writes of requests for approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, exists, insert, or_, select

from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.lifecycle import APPROVAL, ApprovalEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
from ftl2_enterprise.loops.tables import approval_votes, approvals, iterations
from ftl2_enterprise.protocol.loops.approvals import REJECTED_BY, ApprovalRequest, ApprovalState, ApprovalVote
from ftl2_enterprise.protocol.loops.facts import (
    ApprovalExpired,
    ApprovalRejected,
    ApprovalUsed,
    ApprovalVoided,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader
from ftl2_enterprise.store.transition import transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.caller import Caller
    from ftl2_enterprise.protocol.loops.approvals import NewApproval
    from ftl2_enterprise.protocol.loops.nouns import Iteration, Prompt
    from ftl2_enterprise.store.tx import Tx

_APPROVALS = Reader(approvals, ApprovalRequest)
_VOTES = Reader(approval_votes, ApprovalVote)
_INSERT = Prepared(insert(approvals))
_INSERT_VOTE = Prepared(insert(approval_votes))
_OF_PROMPT = Prepared(_APPROVALS.select().where(approvals.c.prompt_id == bindparam("of")))
_USED_BY = Prepared(_APPROVALS.select().where(approvals.c.used_by == bindparam("of")))
_LATEST = Prepared(
    _APPROVALS.select().where(approvals.c.loop_id == bindparam("of")).order_by(approvals.c.id.desc()).limit(1)
)
_BEFORE = Prepared(
    _APPROVALS.select()
    .where(approvals.c.loop_id == bindparam("of"), approvals.c.id < bindparam("before"))
    .order_by(approvals.c.id.desc())
    .limit(1)
)
_REJECTED = Prepared(
    _APPROVALS.select()
    .where(approvals.c.loop_id == bindparam("of"), approvals.c.state == ApprovalState.REJECTED)
    .order_by(approvals.c.id)
)
_REJECTED_ON = Prepared(
    _APPROVALS.select()
    .where(
        approvals.c.loop_id == bindparam("of"),
        approvals.c.state == ApprovalState.REJECTED,
        approvals.c.observations_digest == bindparam("seen"),
    )
    .order_by(approvals.c.id.desc())
)
_IN_SYNC_BETWEEN = Prepared(
    select(
        exists().where(
            iterations.c.loop_id == bindparam("of"),
            iterations.c.id > bindparam("after"),
            iterations.c.id < bindparam("before"),
            or_(*(iterations.c.outcome == one for one in (IterationOutcome.CONVERGED, IterationOutcome.CHECK_HELD))),
        )
    )
)
_VOTES_OF = Prepared(
    _VOTES.select().where(approval_votes.c.approval_id == bindparam("of")).order_by(approval_votes.c.id)
)


def insert_approval(tx: Tx, iteration: Iteration, prompt: Prompt, new: NewApproval) -> ApprovalRequest:
    """Insert a request that belongs to the prompt."""
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "prompt_id": prompt.id,
        "state": APPROVAL.initial,
        "needs": new.needs,
        "actions": new.actions,
        "salt": new.salt,
        "effects_digest": new.effects_digest,
        "observations_digest": new.observations_digest,
        "requester": new.requester,
        "authors": new.authors,
        "asked_at": tx.now,
        "deadline_at": new.deadline_at,
    }
    found = get_approval(tx, _INSERT.insert(tx, row))
    assert found is not None
    return found


def insert_vote(
    tx: Tx, request: ApprovalRequest, person: Caller, *, approved: bool, reason: str | None
) -> ApprovalVote:
    """Insert the decision of a person, bound to what the request is bound to now.

    Raises IntegrityError when the person has decided already.
    """
    row: dict[str, Any] = {
        "loop_id": request.loop_id,
        "approval_id": request.id,
        "uid": person.uid,
        "name": person.name,
        "access": str(person.access or ""),
        "groups": sorted(person.groups),
        "approved": approved,
        "reason": reason,
        "effects_digest": request.effects_digest,
        "observations_digest": request.observations_digest,
        "given_at": tx.now,
    }
    vote = _VOTES.get(tx, _INSERT_VOTE.insert(tx, row))
    assert vote is not None
    return vote


def get_approval(tx: Tx, approval_id: int) -> ApprovalRequest | None:
    """One request."""
    return _APPROVALS.get(tx, approval_id)


def of_prompt(tx: Tx, prompt_id: int) -> ApprovalRequest | None:
    """The request that belongs to the prompt; None for a question."""
    return _first(_OF_PROMPT.rows(tx, {"of": prompt_id}))


def used_by(tx: Tx, iteration_id: int) -> ApprovalRequest | None:
    """The request with which the iteration executes its actions."""
    return _first(_USED_BY.rows(tx, {"of": iteration_id}))


def latest(tx: Tx, loop_id: int) -> ApprovalRequest | None:
    """The newest request of the loop; no earlier one is ever used."""
    return _first(_LATEST.rows(tx, {"of": loop_id}))


def previous(tx: Tx, request: ApprovalRequest) -> ApprovalRequest | None:
    """The request of the same loop before this one."""
    return _first(_BEFORE.rows(tx, {"of": request.loop_id, "before": request.id}))


def of_iterations(tx: Tx, loop_id: int, ids: Sequence[int]) -> list[ApprovalRequest]:
    """The requests that these iterations asked or used, oldest first."""
    if not ids:
        return []
    first, last = min(ids), max(ids)
    asked_or_used = or_(approvals.c.iteration_id.between(first, last), approvals.c.used_by.between(first, last))
    query = _APPROVALS.select().where(approvals.c.loop_id == loop_id, asked_or_used).order_by(approvals.c.id)
    among = set(ids)
    found = _APPROVALS.all(tx.connection.execute(query))
    return [one for one in found if one.iteration_id in among or one.used_by in among]


def rejected(tx: Tx, loop_id: int, observations_digest: str) -> list[ApprovalRequest]:
    """The requests of the loop that people rejected when they were based on these observations, newest first."""
    return _APPROVALS.all(_REJECTED_ON.rows(tx, {"of": loop_id, "seen": observations_digest}))


def why_again(tx: Tx, before: ApprovalRequest | None, iteration_id: int) -> str | None:
    """Why people are asked in that iteration although they were asked `before`; None if it is about other drift."""
    if before is None or before.used_by is None:
        return approval_terms.why_again(before)
    between = {"of": before.loop_id, "after": before.used_by, "before": iteration_id}
    if _IN_SYNC_BETWEEN.scalar(tx, between):
        return None
    approved = approval_terms.consent(get_votes(tx, before.id))
    if loop_rows.get_iteration(tx, before.used_by).outcome is IterationOutcome.INTERRUPTED:
        return f"{approved}; its execution was interrupted"
    failed = [
        one
        for one in action_rows.get_actions_for_iteration(tx, before.used_by)
        if one.state in {ActionState.FAILED, ActionState.UNKNOWN}
    ]
    return f"{approved}; then {failed[0].module} on {failed[0].host} {_ENDED[failed[0].state]}" if failed else None


_ENDED = {ActionState.FAILED: "failed", ActionState.UNKNOWN: "was interrupted"}


def get_votes(tx: Tx, approval_id: int) -> list[ApprovalVote]:
    """The decisions about a request, oldest first."""
    return _VOTES.all(_VOTES_OF.rows(tx, {"of": approval_id}))


def approve(tx: Tx, request: ApprovalRequest) -> None:
    """Record that everyone who has to agree did. Raises Problem(conflict) when it is not open."""
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.APPROVED)


def reject(tx: Tx, request: ApprovalRequest, person: Caller, reason: str | None) -> None:
    """Record that a person rejected it. Raises Problem(conflict) when it is not open."""
    why = f"{REJECTED_BY}{person.name}" + (f": {reason}" if reason else "")
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.REJECTED, ended_at=tx.now, reason=why)
    _emit(tx, request, ApprovalRejected, by=person.name, uid=person.uid, reason=reason)


def expire(tx: Tx, request: ApprovalRequest, reason: str) -> None:
    """Record that not enough people agreed in time. Raises Problem(conflict) when it has ended."""
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.EXPIRED, ended_at=tx.now, reason=reason)
    _emit(tx, request, ApprovalExpired, reason=reason)


def void(tx: Tx, request: ApprovalRequest, reason: str) -> None:
    """Record that something changed that it was bound to. Raises Problem(conflict) when it has ended."""
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.VOIDED, ended_at=tx.now, reason=reason)
    _emit(tx, request, ApprovalVoided, reason=reason)


def void_unused(tx: Tx, loop_id: int, reason: str) -> None:
    """Record that the newest request of the loop is not needed any more, if it has not ended."""
    request = latest(tx, loop_id)
    if request is not None and request.state in {ApprovalState.OPEN, ApprovalState.APPROVED}:
        void(tx, request, reason)


def withdraw(tx: Tx, loop_id: int, reason: str) -> None:
    """Record that what people have decided counts no more, unless its actions have begun or it has ended."""
    for request in _rejected(tx, loop_id):
        _void_rejection(tx, request, reason)
    void_unused(tx, loop_id, reason)


def forget_rejections(tx: Tx, loop_id: int) -> None:
    """Let the loop ask again about everything that people have rejected."""
    who = (tx.actor or "a person").partition(" (")[0]
    for request in _rejected(tx, loop_id):
        _void_rejection(tx, request, f"{request.reason}; then {who} had the loop run again")


def _rejected(tx: Tx, loop_id: int) -> list[ApprovalRequest]:
    return _APPROVALS.all(_REJECTED.rows(tx, {"of": loop_id}))


def _void_rejection(tx: Tx, request: ApprovalRequest, reason: str) -> None:
    """As `void`, of a request that ended when it was rejected."""
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.VOIDED, reason=reason)
    _emit(tx, request, ApprovalVoided, reason=reason)


def use(tx: Tx, request: ApprovalRequest, iteration_id: int, approved_by: Sequence[str]) -> None:
    """Record that the iteration begins the actions. Raises Problem(conflict) unless it is approved and unused."""
    transition(tx, APPROVAL, approvals, request.id, ApprovalEvent.USED, ended_at=tx.now, used_by=iteration_id)
    _emit(tx, request, ApprovalUsed, used_by=iteration_id, approved_by=list(approved_by))


def _emit(tx: Tx, request: ApprovalRequest, kind: type[Any], **values: Any) -> None:
    fact = kind(
        iteration_id=request.iteration_id,
        approval_id=request.id,
        prompt_id=request.prompt_id,
        effects_digest=request.effects_digest,
        **values,
    )
    tx.emit(fact, subject=loop_subject(request.loop_id))


def _first(rows: Sequence[Any]) -> ApprovalRequest | None:
    return _APPROVALS.one(rows[0]) if rows else None
