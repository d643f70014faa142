"""Answers what the gate would decide about calls, without calling anything."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import EffectKind, Fence, Origin
from ftl2_enterprise.gate.judge import GateContext
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.engine.context import RequestedCall, effect_of
from ftl2_enterprise.loops.engine.inventory_state import registered_entries
from ftl2_enterprise.loops.engine.observation_fences import fence_of, not_an_observation
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.loops.secrets import parse_bindings
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce, PolicyRuleLine
from ftl2_enterprise.wiring.loops import build

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.gate.policy.types import PolicyRule
    from ftl2_enterprise.loops.secrets import Bindings
    from ftl2_enterprise.protocol.loops.policy import PolicyQuestion
    from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
    from ftl2_enterprise.store.tx import Tx


def answers(request: CheckPolicy, settings: Settings, tx: Tx | None, *, in_service: bool) -> list[list[PolicyAnswer]]:
    """The verdicts about each question, by host. Raises Problem."""
    loop = loop_rows.get_loop(tx, request.loop) if tx is not None and request.loop is not None else None
    given = loop.spec if loop is not None else LoopSpec(name=build.SITE, desired_state="")
    spec = msgspec.structs.replace(
        given, policy=request.policy or given.policy, inventory=request.inventory or given.inventory
    )
    modules = Ftl2Modules(inventory_files.load(spec.inventory), work_dir=Path(), redact=str)
    if tx is not None and loop is not None:
        for entry in registered_entries(host_rows.get_hosts(tx, loop.id)):
            with contextlib.suppress(Problem):
                modules.add_host(entry)
    asked = _Calls(
        modules=modules,
        context=GateContext(
            policies=[found for _, found in build.policies(spec, settings, in_service=in_service)],
            defaults=build.defaults(settings),
            dry_run=spec.dry_run,
        ),
        bindings=parse_bindings(spec.secrets, in_service=in_service),
        subject=loop_subject(loop.id if loop is not None else 0),
        environment=spec.environment,
    )
    return [asked.answers(question) for question in request.questions]


def in_force(request: ShowPolicy, settings: Settings, tx: Tx | None, *, in_service: bool = False) -> PolicyInForce:
    """The rules that are in force for a loop, or for every loop. Raises Problem."""
    loop = loop_rows.get_loop(tx, request.loop) if tx is not None and request.loop is not None else None
    spec = loop.spec if loop is not None else LoopSpec(name=build.SITE, desired_state="")
    found = build.policies(spec, settings, in_service=in_service)
    rules = [_line(of, rule) for of, policy in found for rule in policy.rules]
    site = next(policy for _, policy in found if policy.is_site)
    return PolicyInForce(rules=rules, revision=site.revision, problem=site.problem or None)


def _line(of: str, rule: PolicyRule) -> PolicyRuleLine:
    return PolicyRuleLine(
        of=of,
        number=rule.number,
        decision=rule.decision,
        match=dict(rule.match),
        applies_to=sorted(rule.applies_to),
        reason=rule.reason,
        source=rule.source,
    )


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """What the verdicts about the calls of one loop depend on."""

    modules: Ftl2Modules
    context: GateContext
    bindings: Bindings
    subject: str
    environment: str

    def answers(self, question: PolicyQuestion) -> list[PolicyAnswer]:
        """The verdict for each host. Raises Problem for an unknown host or group."""
        return [self._answer(question, host) for host in self.modules.expand(question.host)]

    def _answer(self, question: PolicyQuestion, host: str) -> PolicyAnswer:
        kind, origin = EffectKind(question.kind), Origin(question.origin)
        problem = self.modules.refuse(question.module, host)
        fence: Fence | None = Fence.NONE
        if kind is EffectKind.OBSERVATION:
            fence = fence_of(origin, question.module, question.params, context=self.context)
            if fence is None:
                # The engine refuses it before it asks the gate.
                why = problem or not_an_observation(question.module)
                return PolicyAnswer(
                    host=host, ruling=Ruling.DENY, rule=None, source=None, reason=why, problem=why, fence=Fence.NONE
                )
        requested = RequestedCall(
            kind=kind,
            origin=origin,
            module=question.module,
            params=question.params,
            host=host,
            timeout=0.0,
            fence=fence,
        )
        environment = self.environment if question.environment is None else question.environment
        effect = effect_of(
            requested, modules=self.modules, bindings=self.bindings, subject=self.subject, environment=environment
        )
        verdict = gate.judge(effect, self.context)
        return PolicyAnswer(
            host=host,
            ruling=verdict.ruling,
            rule=verdict.rule,
            source=verdict.source or None,
            reason=verdict.reason,
            problem=problem,
            fence=effect.fence,
        )
