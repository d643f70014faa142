"""The gate: one function judges every effect, before it begins. Pure: policy, mode and time are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.gate.effects import EffectKind
from ftl2_enterprise.gate.key import KEY
from ftl2_enterprise.gate.permits import Permit
from ftl2_enterprise.gate.policy.match import first_match
from ftl2_enterprise.gate.verdicts import Ruling, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.policy.types import Policy


@dataclass(frozen=True, kw_only=True)
class GateContext:
    """What a verdict depends on besides the effect."""

    policies: Sequence[Policy] = ()
    """In order: that of the site first. Each can only narrow what the others allow."""
    dry_run: bool = False


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
    return Verdict(ruling=Ruling.ALLOW, permit=Permit(effect, key=KEY))
