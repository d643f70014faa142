"""Stored approvals as the values of `gate.approvals`, which decides what they are worth. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.sentences import listed
from ftl2_enterprise.gate.approvals import (
    Approval,
    ApprovalNeed,
    ApprovalTerms,
    Approver,
    ApproverAccess,
    why_missing,
)
from ftl2_enterprise.protocol.loops.approvals import NOT_NEEDED, ApprovalState, RequiredPeople

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.protocol.caller import Caller
    from ftl2_enterprise.protocol.loops.approvals import ApprovalRequest, ApprovalVote

_UID = re.compile(r" ?\(uid ([0-9]+), pid [0-9]+\)$")
"""The end of the actor that the service records. A name before it may contain anything."""


def terms_of(request: ApprovalRequest) -> ApprovalTerms:
    """What was asked."""
    return ApprovalTerms(
        needs=tuple(_need(one) for one in request.needs),
        effects=request.effects_digest,
        observations=request.observations_digest,
        asked_at=request.asked_at,
        deadline_at=request.deadline_at,
        requester=request.requester,
        authors=frozenset(request.authors),
    )


def approvals_of(votes: Iterable[ApprovalVote]) -> list[Approval]:
    """The consents among the decisions."""
    return [
        Approval(
            approver=_approver(vote.uid, vote.name, vote.access, vote.groups),
            given_at=vote.given_at,
            effects=vote.effects_digest,
            observations=vote.observations_digest,
        )
        for vote in votes
        if vote.approved
    ]


def missing(request: ApprovalRequest, votes: Sequence[ApprovalVote]) -> str | None:
    """Who still has to agree, as one sentence; None if no one."""
    return why_missing(terms_of(request), [one.approver for one in approvals_of(votes)])


def why_again(before: ApprovalRequest | None) -> str | None:
    """Why people are asked although they were asked before, in a sentence; None if nothing they decided was lost.

    `rows.approvals.why_again` knows it of an approval that was used.
    """
    if before is not None and before.state is ApprovalState.REJECTED:
        return before.reason
    if before is None or before.state not in {ApprovalState.VOID, ApprovalState.EXPIRED}:
        return None
    # The later request is about other drift.
    return None if before.reason == NOT_NEEDED else before.reason


def consent(votes: Iterable[ApprovalVote]) -> str:
    """Who approved, and when the last of them did: `approved by alice and bob at 2026-01-31 18:00:00Z`."""
    given = [vote for vote in votes if vote.approved]
    if not given:
        return "approved"
    people = listed([vote.name for vote in given])
    return f"approved by {people} at {moment(max(vote.given_at for vote in given))}"


def approver_of(caller: Caller) -> Approver:
    """The caller as someone who agrees."""
    return _approver(caller.uid, caller.name, str(caller.access or ""), caller.groups)


def required(need: ApprovalNeed) -> RequiredPeople:
    """A need as it is stored."""
    return RequiredPeople(
        by=str(need.by),
        group=need.group,
        people=need.people,
        not_requester=need.not_requester,
        expires=need.expires,
    )


def uid_of(actor: str | None) -> int | None:
    """The user id in an actor, `alice (uid 1000, pid 7)`; None if it has none."""
    found = _UID.search(actor or "")
    return int(found[1]) if found else None


def name_of(actor: str) -> str:
    """The name in an actor."""
    return _UID.sub("", actor)


def _need(one: RequiredPeople) -> ApprovalNeed:
    # A word that this program does not know is the strictest one that it knows.
    by = ApproverAccess.OPERATE if one.by == ApproverAccess.OPERATE else ApproverAccess.ADMINISTER
    return ApprovalNeed(
        by=by, group=one.group, people=one.people, not_requester=one.not_requester, expires=one.expires
    )


def _approver(uid: int, name: str, access: str, groups: Iterable[str]) -> Approver:
    known = {one.value: one for one in ApproverAccess}
    return Approver(uid=uid, name=name, access=known.get(access), groups=frozenset(groups))
