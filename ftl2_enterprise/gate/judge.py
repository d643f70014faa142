"""The gate: one function judges every effect, before it begins. Pure: policy, mode and time are arguments."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.value import Value
from ftl2_enterprise.gate.approvals import ApprovalNeed, Remediation, distinct
from ftl2_enterprise.gate.effects import EffectKind, Fence, Origin
from ftl2_enterprise.gate.freezes import holding
from ftl2_enterprise.gate.key import KEY
from ftl2_enterprise.gate.permits import Permit
from ftl2_enterprise.gate.policy import match
from ftl2_enterprise.gate.policy.types import RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set as AbstractSet

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.policy.types import Finding, Policy


class UnfencedCommands(StrEnum):
    """What happens to a command by which a model observes, on a host that cannot build the sandbox."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


class GateContext(Value, frozen=True, kw_only=True):
    """What a verdict depends on besides the effect."""

    policies: Sequence[Policy] = ()
    """In order: that of the site first. Each can only narrow what the others allow."""
    defaults: Mapping[str, RuleDecision] = msgspec.field(default_factory=dict[str, RuleDecision])
    """By origin: what happens to an action about which the policy of the site has no rule."""
    dry_run: bool = False
    remediation: Remediation = Remediation.AUTO
    """What may be done about drift. The stricter of it and policy wins."""
    approved: Mapping[str, AbstractSet[ApprovalNeed]] = msgspec.field(
        default_factory=dict[str, "AbstractSet[ApprovalNeed]"]
    )
    """Digests of the effects to which people have agreed, each with what was required of these people."""
    run_checks: bool = False
    """Whether checks that have no fence run in a dry run, too."""
    unfenced_commands: UnfencedCommands = UnfencedCommands.DENY
    freezes: Sequence[Freeze] = ()
    now: Instant = 0
    """The time of the verdict, by which freezes may have ended."""


def judge(effect: Effect, context: GateContext) -> Verdict:
    """Judge one effect. A verdict `allow` contains the permit without which nothing can cause the effect."""
    return _verdict(effect, context, begins=True)


def foresee(effect: Effect, context: GateContext) -> Verdict:
    """The verdict about an effect that does not begin yet: without a permit."""
    return _verdict(effect, context, begins=False)


def _verdict(effect: Effect, context: GateContext, *, begins: bool) -> Verdict:
    # Before everything else: while it holds, nothing begins, whatever it is.
    freeze = holding(effect, context.freezes, context.now) if context.freezes else None
    if freeze is not None:
        return Verdict(ruling=Ruling.HOLD, freeze=freeze, reason=freeze.sentence)
    found = match.decide(context.policies, effect, context.defaults)
    rule = found.rule.number if found.rule is not None else None
    source = found.rule.source if found.rule is not None else ""
    if found.decision is RuleDecision.DENY:
        reason = _sentence("denied", effect, found)
        return Verdict(ruling=Ruling.DENY, rule=rule, source=source, revision=found.policy.revision, reason=reason)
    if (held := _held_unfenced(effect, context)) is not None:
        return held
    if effect.kind is EffectKind.ACTION and context.remediation is Remediation.NEVER:
        return Verdict(ruling=Ruling.PREVIEW, reason="remediation is `never`")
    needs: list[ApprovalNeed] = []
    reasons: list[str] = []
    if found.decision is RuleDecision.ASK:
        for one in (found, *found.also):
            needs.append((one.rule.needs if one.rule is not None else None) or ApprovalNeed())
            reasons.append(_sentence("approval is required", effect, one))
    if effect.kind is EffectKind.ACTION and context.remediation is Remediation.ASK:
        needs.append(ApprovalNeed())
        reasons.append("remediation is `ask`")
    is_previewed = context.dry_run and effect.kind in {EffectKind.ACTION, EffectKind.STATE}
    # A rule that became known later, since a path leads elsewhere, may require other people than those who agreed.
    if is_previewed or (needs and not set(needs) <= context.approved.get(effect.digest(), frozenset())):
        return Verdict(
            ruling=Ruling.PREVIEW if is_previewed else Ruling.ASK,
            rule=rule,
            source=source,
            revision=found.policy.revision,
            reason="; ".join(one.rstrip(".") for one in reasons) if len(reasons) > 1 else "".join(reasons),
            needs=distinct(needs),
        )
    permit = Permit(effect, key=KEY) if begins else None
    return Verdict(ruling=Ruling.ALLOW, rule=rule, source=source, revision=found.policy.revision, permit=permit)


def _held_unfenced(effect: Effect, context: GateContext) -> Verdict | None:
    """The verdict that holds an observation which nothing keeps from changing its host; None if it may run."""
    if effect.kind is not EffectKind.OBSERVATION or effect.fence is not Fence.NONE:
        return None
    if effect.origin is Origin.MODEL and context.unfenced_commands is not UnfencedCommands.ALLOW:
        asks = context.unfenced_commands is UnfencedCommands.ASK
        hint = "; there is no approval of observations yet" if asks else ""
        reason = f"denied: a model observes with {effect.module} only in the read-only sandbox"
        return Verdict(ruling=Ruling.DENY, reason=f"{reason} (setting observations.unfenced_commands){hint}")
    if context.dry_run and not context.run_checks:
        reason = f"not checked: {effect.module} could change the host, and runs in a dry run only with --run-checks"
        return Verdict(ruling=Ruling.PREVIEW, reason=reason)
    return None


def paths_to_resolve(effect: Effect, context: GateContext) -> tuple[str, ...]:
    """The paths that have to be resolved on the host before the last verdict about the effect; usually none."""
    return match.paths_to_resolve(context.policies, effect)


def with_paths(effect: Effect, resolved: Mapping[str, Sequence[str]]) -> Effect:
    """The effect with the places to which its paths lead on the host."""
    return msgspec.structs.replace(effect, resolved={path: tuple(places) for path, places in resolved.items()})


def _sentence(what: str, effect: Effect, found: Finding) -> str:
    if found.policy.problem:
        return f"{what}: {found.policy.problem}"
    if found.rule is None:
        return f"{what}: the setting policy.defaults.{effect.origin} is `{found.decision}`"
    of = "site policy" if found.policy.is_site else "policy"
    revision = f", revision {found.policy.revision[:12]}" if found.policy.is_site else ""
    because = f": {found.rule.reason}" if found.rule.reason else ""
    return f"{what} by {of} rule {found.rule.number} ({found.rule.source}{revision}){because}"
