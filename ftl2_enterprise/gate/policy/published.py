"""The policy of the site as the service publishes it: checked rules, so that processes do not read its files."""

from __future__ import annotations

from typing import Any

import msgspec

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.wire import UNDECODABLE, Wire, why_undecodable
from ftl2_enterprise.gate.approvals import ApprovalNeed, ApproverAccess
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision


class PublishedNeed(Wire, frozen=True):
    """Who must agree."""

    by: ApproverAccess
    group: str
    people: int
    not_requester: bool
    expires: float | None


class PublishedRule(Wire, frozen=True):
    """One rule."""

    number: int
    decision: RuleDecision
    match: dict[str, str]
    reason: str
    source: str
    applies_to: list[AppliesTo]
    needs: PublishedNeed | None = None


class PublishedPolicy(Wire, frozen=True):
    """The rules in force, or why there are none."""

    service: str
    """The run of the service that published it."""
    revision: str
    rules: list[PublishedRule]
    problem: str = ""
    ignored: list[str] = []


def encode(policy: Policy, *, service: str) -> bytes:
    """The policy as JSON."""
    rules = [
        PublishedRule(
            number=rule.number,
            decision=rule.decision,
            match=dict(rule.match),
            reason=rule.reason,
            source=rule.source,
            applies_to=sorted(rule.applies_to),
            needs=None if rule.needs is None else PublishedNeed(**_fields(rule.needs)),
        )
        for rule in policy.rules
    ]
    published = PublishedPolicy(
        service=service, revision=policy.revision, rules=rules, problem=policy.problem, ignored=list(policy.ignored)
    )
    return msgspec.json.encode(published)


def _fields(need: ApprovalNeed) -> dict[str, Any]:
    return {name: getattr(need, name) for name in PublishedNeed.__struct_fields__}


def decode(data: bytes) -> tuple[str, Policy]:
    """The run of the service that published it, and the policy. Raises Problem(invalid)."""
    try:
        found = msgspec.json.decode(data, type=PublishedPolicy)
    except UNDECODABLE as error:
        raise invalid(f"cannot read the published site policy: {why_undecodable(error)}") from error
    rules = tuple(
        PolicyRule(
            number=rule.number,
            match=rule.match,
            reason=rule.reason,
            source=rule.source,
            applies_to=frozenset(rule.applies_to),
            decision=rule.decision,
            needs=None if rule.needs is None else ApprovalNeed(**msgspec.structs.asdict(rule.needs)),
        )
        for rule in found.rules
    )
    policy = Policy(
        rules=rules, revision=found.revision, is_site=True, problem=found.problem, ignored=tuple(found.ignored)
    )
    return found.service, policy
