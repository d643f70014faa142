"""Facts about approvals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import ITERATION


class ApprovalAction(Wire, frozen=True):
    """One action of a list that people agree to."""

    n: int
    module: str
    host: str
    summary: str
    """The module and its parameters, redacted."""
    refused: str | None = None
    """Why it will not run even if people agree."""


class ApprovalFact(Fact, frozen=True):
    """Something that happened to a request for approval."""

    log_names: ClassVar[Mapping[str, str]] = ITERATION
    for_programs: ClassVar[frozenset[str]] = frozenset({*ITERATION, "effects_digest", "observations_digest"})

    iteration_id: int
    """The iteration that asked."""
    approval_id: int
    """The request."""
    prompt_id: int
    """Its prompt."""
    effects_digest: str
    """What the actions are bound to."""


class ApprovalRequested(ApprovalFact, frozen=True, tag="approval.requested"):
    """The actions of a decision need the approval of people."""

    observations_digest: str
    """The observations that led to them."""
    actions: list[ApprovalAction]
    """What is asked, in order."""
    why: str
    """The rule that asks."""
    needs: list[str]
    """Who must agree."""
    deadline_at: Instant
    """When the request expires."""
    again: str | None = None
    """Why people are asked again, if they were asked before; else null."""
    origin: str | None = None
    """Who wants the actions: `manifest`, `playbook`, `model`, `rule` or `person`."""
    decider: str | None = None
    """What decided on them, such as `manifest` or `claude`."""
    reasoning: str | None = None
    """The reasoning of the decider. That of a model is untrusted text."""


class ApprovalGiven(ApprovalFact, frozen=True, tag="approval.given"):
    """A person approved the actions."""

    by: str
    """The person."""
    uid: int
    """Their user id."""
    reason: str | None = None
    """What they wrote."""
    missing: str | None = None
    """Who still has to agree; null if no one."""


class ApprovalRejected(ApprovalFact, frozen=True, tag="approval.rejected"):
    """A person rejected the actions; none of them is executed."""

    level: ClassVar[LogLevel] = "warning"

    by: str
    """The person."""
    uid: int
    """Their user id."""
    reason: str | None = None
    """What they wrote."""


class ApprovalExpired(ApprovalFact, frozen=True, tag="approval.expired"):
    """Not enough people agreed in time; none of the actions is executed."""

    level: ClassVar[LogLevel] = "warning"

    reason: str
    """Why it ended."""


class ApprovalVoided(ApprovalFact, frozen=True, tag="approval.voided"):
    """Something changed that the request was bound to, so that none of the actions is executed with it; or a person
    lets the loop ask again about what was rejected.
    """

    reason: str
    """What changed, or who lets it ask again."""


class ApprovalUsed(ApprovalFact, frozen=True, tag="approval.used"):
    """The approved actions begin. The approval is never used again."""

    used_by: int
    """The iteration that executes them."""
    approved_by: list[str]
    """The persons who agreed."""
