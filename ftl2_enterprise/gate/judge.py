"""The gate: one function judges every effect, before it begins. Pure: policy, mode and time are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.gate.approvals import ApprovalNeed, Remediation, distinct
from ftl2_enterprise.gate.effects import EffectKind
from ftl2_enterprise.gate.key import KEY
from ftl2_enterprise.gate.permits import Permit
from ftl2_enterprise.gate.policy.match import first_match
from ftl2_enterprise.gate.verdicts import Ruling, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence, Set as AbstractSet

    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.policy.types import Policy


@dataclass(frozen=True, kw_only=True)
class GateContext:
    """What a verdict depends on besides the effect."""

    policies: Sequence[Policy] = ()
    """In order: that of the site first. Each can only narrow what the others allow."""
    dry_run: bool = False
    remediation: Remediation = Remediation.AUTO
    """What may be done about drift. The stricter of it and policy wins."""
    approved: AbstractSet[str] = frozenset()
    """Digests of the effects to which people have agreed."""


def judge(effect: Effect, context: GateContext) -> Verdict:
    """Judge one effect. A verdict `allow` contains the permit without which nothing can cause the effect."""
    for policy in context.policies:
        rule = first_match(policy, effect)
        if rule is not None:
            because = f": {rule.reason}" if rule.reason else ""
            sentence = f"denied by policy rule {rule.number} ({rule.source}){because}"
            return Verdict(ruling=Ruling.DENY, rule=rule.number, reason=sentence)
    if context.dry_run and effect.kind in {EffectKind.ACTION, EffectKind.STATE}:
        return Verdict(ruling=Ruling.PREVIEW)
    needs: list[ApprovalNeed] = []
    reasons: list[str] = []
    if effect.kind is EffectKind.ACTION and context.remediation is Remediation.NEVER:
        return Verdict(ruling=Ruling.PREVIEW, reason="remediation is `never`")
    if effect.kind is EffectKind.ACTION and context.remediation is Remediation.ASK:
        needs.append(ApprovalNeed())
        reasons.append("remediation is `ask`")
    if needs and effect.digest() not in context.approved:
        return Verdict(ruling=Ruling.ASK, reason="; ".join(reasons), needs=distinct(needs))
    return Verdict(ruling=Ruling.ALLOW, permit=Permit(effect, key=KEY))
