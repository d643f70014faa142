"""Approvals as they are stored, shown and sent. No behavior; `gate.approvals` decides what one is worth."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire

APPROVE, REJECT = "approve", "reject"
"""The options of a prompt that asks for an approval."""
REJECTED_BY = "rejected by "
"""How the reason of an action begins that people rejected."""
NOT_IN_TIME, NO_PERSON = "not approved within ", "no person can be asked in this run"
REQUEST_DISMISSED = "the request for approval was dismissed"
"""How the reason of an action begins that people did not decide about."""
NOT_NEEDED = "nothing is out of place any more"
"""Why an approval is void that was not used before the drift ended without it."""


class Denial(StrEnum):
    """Why an action was denied."""

    POLICY = "policy"
    REJECTED = "rejected"
    """A person rejected it."""
    EXPIRED = "expired"
    """People did not approve it in time."""
    DISMISSED = "dismissed"
    """The request for approval was dismissed."""
    UNATTENDED = "unattended"
    """No person could be asked."""


def denial_of(reason: str | None) -> Denial:
    """Why an action was denied, by the beginning of its reason."""
    beginnings = {
        REJECTED_BY: Denial.REJECTED,
        NOT_IN_TIME: Denial.EXPIRED,
        REQUEST_DISMISSED: Denial.DISMISSED,
        NO_PERSON: Denial.UNATTENDED,
    }
    return next((one for begin, one in beginnings.items() if (reason or "").startswith(begin)), Denial.POLICY)


class ApprovalState(StrEnum):
    """The state of a request for approval."""

    OPEN = "open"
    APPROVED = "approved"
    """Enough people agreed; the actions have not begun."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    """Something that it was bound to has changed."""
    USED = "used"
    """The actions were begun with it. It is never used again."""


class RequiredPeople(Wire, frozen=True):
    """Who must agree, as one rule requires it."""

    by: str = "operate"
    """The least access to the service: `operate` or `administer`."""
    group: str = ""
    """A Unix group that everyone who agrees is a member of; empty: any."""
    people: int = 1
    """How many persons, by user id."""
    not_requester: bool = False
    """The person who submitted the loop does not count."""
    expires: float | None = None
    """Seconds in which they may agree; null: the setting."""


class ProposedAction(Wire, frozen=True):
    """One action of the list that people agree to, on one host."""

    n: int
    module: str
    host: str
    params: dict[str, Any]
    """Redacted."""
    reason: str | None = None
    asks: str | None = None
    """The sentence of the rule that asks for an approval; null if policy allows the action without one."""
    refused: str | None = None
    """Why it will not run even if people agree: policy denies it, or its module or host cannot be used."""
    diff: str | None = None
    """What it would change in a text, if that is known."""
    places: str | None = None
    """A digest of where its paths led when it was asked; null if nowhere else, or if that was not known."""
    source: str | None = None
    """A digest of the content of the file of the controller that it writes; null if there is none."""
    origin: str | None = None
    """Who wants it: `manifest`, `playbook`, `model`, `rule` or `person`; null if that was not recorded."""


class ApprovalRequest(Wire, frozen=True):
    """A request for approval: one list of actions, what they are bound to, and who must agree."""

    id: int
    loop_id: int
    iteration_id: int
    """The iteration that asked."""
    prompt_id: int
    state: ApprovalState
    needs: list[RequiredPeople]
    actions: list[ProposedAction]
    salt: str
    """Hexadecimal; of `effects_digest`."""
    effects_digest: str
    """What the actions are bound to: their order, hosts and parameters with their secrets."""
    observations_digest: str
    requester: int | None
    """User id of the person who submitted the loop."""
    asked_at: Instant
    deadline_at: Instant
    ended_at: Instant | None
    """When it was rejected, expired, void or used."""
    used_by: int | None
    """The iteration that executed the actions."""
    reason: str | None
    """Why it was rejected, expired or void."""
    authors: list[int] = []
    """User ids of the people who submitted or changed the loop."""


class NewApproval(Wire, frozen=True):
    """What people are asked to approve."""

    question: str
    context: str | None
    why: str
    origin: str
    """Who wants the actions, as of `ProposedAction`."""
    needs: list[RequiredPeople]
    actions: list[ProposedAction]
    summaries: list[str]
    """One line about each action."""
    salt: str
    effects_digest: str
    observations_digest: str
    requester: int | None
    deadline_at: Instant
    authors: list[int] = []
    """User ids of the people who submitted or changed the loop."""
    again: str | None = None
    """Why people are asked again, if an earlier request ended without a decision that counts."""


class ApprovalVote(Wire, frozen=True):
    """The decision of one person about a request, with what it was about."""

    id: int
    loop_id: int
    approval_id: int
    uid: int
    name: str
    access: str
    groups: list[str]
    approved: bool
    reason: str | None
    effects_digest: str
    observations_digest: str
    given_at: Instant


class ShownAction(Wire, frozen=True):
    """One action of the list that people agree to, as people and programs see it."""

    n: int
    module: str
    host: str
    params: dict[str, Any]
    """Redacted."""
    reason: str | None = None
    asks: str | None = None
    """The sentence of the rule that asks for an approval; null if policy allows the action without one."""
    refused: str | None = None
    """Why it will not run even if people agree."""
    diff: str | None = None
    """What it would change in a text, if that is known."""


class ShownRequest(Wire, frozen=True):
    """A request for approval, as people and programs see it: without what it is bound to."""

    id: int
    loop_id: int
    iteration_id: int
    """The iteration that asked."""
    prompt_id: int
    state: ApprovalState
    needs: list[RequiredPeople]
    actions: list[ShownAction]
    requester: int | None
    """User id of the person who submitted the loop."""
    asked_at: Instant
    deadline_at: Instant
    ended_at: Instant | None
    """When it was rejected, expired, void or used."""
    used_by: int | None
    """The iteration that executed the actions."""
    reason: str | None
    """Why it was rejected, expired or void."""
    authors: list[int] = []
    """User ids of the people who submitted or changed the loop."""


class ShownVote(Wire, frozen=True):
    """The decision of one person about a request, as people and programs see it."""

    uid: int
    name: str
    access: str
    groups: list[str]
    approved: bool
    reason: str | None
    given_at: Instant


class ApprovalRecord(Wire, frozen=True):
    """How a request for approval stands or ended, without its actions."""

    id: int
    prompt_id: int
    iteration_id: int
    """The iteration that asked."""
    state: ApprovalState
    votes: list[ShownVote]
    asked_at: Instant
    ended_at: Instant | None
    """When it was rejected, expired, void or used."""
    used_by: int | None
    """The iteration that executed the actions."""
    reason: str | None
    """Why it was rejected, expired or void."""


class ApprovalDetail(Wire, frozen=True):
    """A request for approval with the decisions about it."""

    request: ShownRequest
    votes: list[ShownVote] = []
    missing: str | None = None
    """Who still has to agree, as a sentence; null if no one."""
    again: str | None = None
    """Why people were asked again, as a sentence; null if no earlier request was about to be used."""
    origin: str | None = None
    """Who wants the actions: `manifest`, `playbook`, `model`, `rule` or `person`; null if that was not recorded."""
    decider: str | None = None
    """What decided on them, such as `manifest` or `claude`."""
    reasoning: str | None = None
    """The reasoning of the decider. That of a model is untrusted text."""
