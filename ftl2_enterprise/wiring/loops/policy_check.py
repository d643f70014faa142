"""Answers what the gate would decide about calls, without making them."""

from __future__ import annotations

import contextlib
import grp
import tempfile
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.adapters.deciders.ai.schema import STATE_OPS
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.core.secret_cuts import MASK
from ftl2_enterprise.core.source_files import ON_DISK
from ftl2_enterprise.gate import freezes as gate_freezes, judge as gate
from ftl2_enterprise.gate.approvals import Remediation
from ftl2_enterprise.gate.effects import EffectKind, Fence, Origin, model_params
from ftl2_enterprise.gate.judge import GateContext
from ftl2_enterprise.gate.policy import unknown_names
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.engine.calls import RequestedCall, places_of, resolving_call
from ftl2_enterprise.loops.engine.context import CANNOT_WAIT, TOO_LATE, effect_of, model_effect, refused
from ftl2_enterprise.loops.engine.inventory_state import effect_of_op, entry_of, restore_hosts, without_variables
from ftl2_enterprise.loops.engine.observation_fences import fence_of, not_an_observation
from ftl2_enterprise.loops.engine.registry_ops import refusal
from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.secrets import parse_bindings
from ftl2_enterprise.loops.settings import ObservationSettings
from ftl2_enterprise.protocol.loops.decision import StateOp
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.policy import (
    REFUSED,
    CallKind,
    CallOrigin,
    PolicyAnswer,
    PolicyInForce,
    PolicyRuleLine,
)
from ftl2_enterprise.store.freeze_files import FreezeFiles
from ftl2_enterprise.wiring.loops import build, host_names, sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.core.source_files import SourceFiles
    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.policy.types import Policy, PolicyRule
    from ftl2_enterprise.gate.verdicts import Verdict
    from ftl2_enterprise.loops.secrets import Bindings
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.protocol.loops.policy import PolicyQuestion
    from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
    from ftl2_enterprise.store.tx import Tx

TIMEOUT = 60.0
"""Seconds in which a host has to resolve paths."""
MOST_WARNINGS = 50
GIVEN = "given"
"""What the rules of a file are of that belongs to no loop."""
DECIDE = "decide"
"""The purpose of a request to a model, unless it has another one."""
NOT_ASKED = "; an operation on what is registered does not wait for people, so it is refused"


def answers(request: CheckPolicy, settings: Settings, tx: Tx | None, *, in_service: bool) -> list[list[PolicyAnswer]]:
    """The verdicts about each question, by host, without calling a host. Raises Problem."""
    asked = _calls(request, settings, tx, work_dir=Path(), in_service=in_service)
    return [asked.answers(question) for question in request.questions]


async def resolved_answers(request: CheckPolicy, settings: Settings, tx: Tx | None) -> list[list[PolicyAnswer]]:
    """The verdicts about each question, by host, with paths resolved on the hosts. Raises Problem."""
    with tempfile.TemporaryDirectory(prefix="ftl2-policy-") as work_dir:
        asked = _calls(request, settings, tx, work_dir=Path(work_dir), in_service=False)
        try:
            return [await asked.resolved_answers(question) for question in request.questions]
        finally:
            await asked.modules.close()


def _calls(request: CheckPolicy, settings: Settings, tx: Tx | None, *, work_dir: Path, in_service: bool) -> _Calls:
    loop = loop_rows.get_loop(tx, request.loop) if tx is not None and request.loop is not None else None
    given = loop.spec if loop is not None else LoopSpec(name=build.SITE, desired_state="")
    spec = msgspec.structs.replace(
        given, policy=request.policy or given.policy, inventory=request.inventory or given.inventory
    )
    of_loop = sources.of_loop(tx, loop) if tx is not None and loop is not None else ON_DISK
    given_files = sources.sent(request.files)
    inventory = inventory_files.load(spec.inventory, given_files if request.inventory else of_loop)
    modules = Ftl2Modules(inventory, work_dir=work_dir, redact=str)
    if tx is not None and loop is not None:
        restore_hosts(tx, loop.id, modules)
    of_policy = given_files if request.policy else of_loop
    found = build.policies(spec, settings, in_service=in_service, sources=of_policy)
    return _Calls(
        modules=modules,
        inventory=inventory,
        context=GateContext(
            policies=[policy for _, policy in found],
            defaults=build.defaults(settings),
            dry_run=spec.dry_run,
            run_checks=spec.run_checks,
            remediation=Remediation(spec.remediation.value),
            unfenced_commands=settings.section(ObservationSettings).unfenced_commands,
            # The engine holds everything then, so the answer is not that a rule denies it.
            freezes=gate_freezes.with_unusable((), next(policy.problem for _, policy in found if policy.is_site)),
        ),
        bindings=parse_bindings(spec.secrets, in_service=in_service),
        subject=loop_subject(loop.id if loop is not None else 0),
        environment=spec.environment,
        freezes=FreezeFiles(Path(settings.store.path)).in_force(),
        now=SystemClock().now(),
    )


def in_force(request: ShowPolicy, settings: Settings, tx: Tx | None, *, in_service: bool = False) -> PolicyInForce:
    """The rules that are in force for a loop, or for every loop. Raises Problem."""
    loop = loop_rows.get_loop(tx, request.loop) if tx is not None and request.loop is not None else None
    spec = loop.spec if loop is not None else LoopSpec(name=GIVEN if request.policy else build.SITE, desired_state="")
    files = sources.of_loop(tx, loop) if tx is not None and loop is not None else ON_DISK
    given = sources.sent(request.files)
    if in_service:
        _check_sent(request, given)
    if request.policy is not None:
        spec, files = msgspec.structs.replace(spec, policy=request.policy), given
    found = build.policies(spec, settings, in_service=in_service, sources=files)
    rules = [_line(of, rule) for of, policy in found for rule in policy.rules]
    site = next(policy for _, policy in found if policy.is_site)
    defaults = {origin: str(decision) for origin, decision in build.defaults(settings).items()}
    return PolicyInForce(
        rules=rules,
        revision=site.revision,
        problem=site.problem or None,
        defaults=defaults,
        warnings=_warnings(found, _host_names(found, tx, loop, (request.inventory, given))),
    )


def _check_sent(request: ShowPolicy, given: SourceFiles) -> None:
    """Raises Problem(invalid) for files that the service would read: the user may have access to view alone."""
    for path in filter(None, (request.policy, request.inventory)):
        if given.of(Path(path)) is ON_DISK:
            raise invalid(f"cannot show the policy with {path}: its content was not sent", "name a loop that uses it")


def _host_names(
    found: Sequence[tuple[str, Policy]], tx: Tx | None, loop: Loop | None, inventory: tuple[str | None, SourceFiles]
) -> frozenset[str] | None:
    """All names of hosts, if they are known and a rule is about one."""
    if not any("host" in rule.match for _, policy in found for rule in policy.rules):
        return None
    path, files = inventory
    # A problem of an inventory is one of its loop, and not of the policy.
    with contextlib.suppress(Problem):
        if path is not None:
            return host_names.of_inventory(path, files)
        if tx is not None:
            return host_names.every_name(tx, loop)
    return None


def _warnings(found: Sequence[tuple[str, Policy]], hosts: frozenset[str] | None) -> list[str]:
    """What a person should know about policies: what is not read, and names that nothing has."""
    ignored = [f"{of}: {sentence}" for of, policy in found for sentence in policy.ignored]
    unknown = [
        f"{of} {sentence}"
        for of, policy in found
        for sentence in unknown_names.warnings(policy.rules, hosts, STATE_OPS, _is_group)
    ]
    return [*ignored, *unknown][:MOST_WARNINGS]


def _is_group(name: str) -> bool:
    """Whether this system has the Unix group, also one of a directory service."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    except OSError:
        # It cannot be found out now.
        return True
    return True


def _line(of: str, rule: PolicyRule) -> PolicyRuleLine:
    return PolicyRuleLine(
        of=of,
        number=rule.number,
        decision=rule.decision,
        match=dict(rule.match),
        applies_to=sorted(rule.applies_to),
        reason=rule.reason,
        source=rule.source,
        needs=approval_terms.required(rule.needs) if rule.needs is not None else None,
    )


def _state_op(question: PolicyQuestion) -> StateOp:
    params = {name: value for name, value in question.params.items() if name in _FIELDS}
    if isinstance(groups := params.get("groups"), str):
        params["groups"] = [name.strip() for name in groups.split(",")]
    data = {name: value for name, value in question.params.items() if name not in _FIELDS}
    try:
        return msgspec.convert({"name": "", **params, "op": question.module, "data": data}, StateOp, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(
            f"cannot check {question.module}: {error}",
            "the fields are name, ansible_host, ansible_port, ansible_user and groups",
        ) from None


_FIELDS = frozenset(StateOp.__struct_fields__) - {"op", "data"}


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """What the verdicts about the calls of one loop depend on."""

    modules: Ftl2Modules
    inventory: Inventory
    context: GateContext
    bindings: Bindings
    subject: str
    environment: str
    freezes: Sequence[Freeze]
    """Those in force. They are no part of the policy, so they do not change a ruling."""
    now: Instant

    def answers(self, question: PolicyQuestion) -> list[PolicyAnswer]:
        """The verdict for each host. Raises Problem for an unknown host or group."""
        if (other := self._without_hosts(question)) is not None:
            return [other]
        return [self._answer(question, host) for host in self.modules.expand(question.host)]

    async def resolved_answers(self, question: PolicyQuestion) -> list[PolicyAnswer]:
        """The verdict for each host, after paths were resolved there as they are before a call. Raises Problem."""
        if (other := self._without_hosts(question)) is not None:
            return [other]
        return [await self._resolved_answer(question, host) for host in self.modules.expand(question.host)]

    def _without_hosts(self, question: PolicyQuestion) -> PolicyAnswer | None:
        """The answer to a question that is not about a call on a host; None if it is about one. Raises Problem."""
        if question.kind is CallKind.MODEL_CALL:
            return self._answer_about_model(question)
        if question.kind is CallKind.ACTION and question.module in STATE_OPS:
            return self._answer_about_state(question)
        return None

    def _answer_about_state(self, question: PolicyQuestion) -> PolicyAnswer:
        """The verdict about a change of what is registered. Raises Problem for values of a wrong type."""
        origin = Origin(question.origin)
        op = _state_op(question)
        op = op if origin is Origin.RULE else without_variables(op)
        effect = effect_of_op(
            op, origin, modules=self.modules, subject=self.subject, environment=self._environment(question)
        )
        verdict = gate.judge(effect, self.context)
        host, problem = op.name or question.host, refusal(op) or self._conflict(op)
        if problem is not None and verdict.ruling is not Ruling.HOLD:
            return _unrun(host, REFUSED, problem)
        # Such an operation cannot wait for people.
        return _answer(host, verdict, effect, refused_since=NOT_ASKED if verdict.needs else "",
                       frozen=self._frozen(effect))  # fmt: skip

    def _conflict(self, op: StateOp) -> str | None:
        """Why the inventory does not take the operation, or None."""
        inventory = deepcopy(self.inventory)
        try:
            match op.op:
                case "add_host":
                    inventory.add(entry_of(op, op.data))
                case "remove":
                    inventory.remove(op.name)
                case _:
                    pass
        except Problem as problem:
            return str(problem)
        return None

    def _answer_about_model(self, question: PolicyQuestion) -> PolicyAnswer:
        """The verdict about a request to a model. Raises Problem for other parameters than it has."""
        unknown = sorted(question.params.keys() - {"model", "purpose"})
        if unknown:
            raise invalid(f"cannot check a request to a model with {unknown[0]}", "it has a model and a purpose")
        model, purpose = (str(question.params.get(name) or "") for name in ("model", "purpose"))
        effect = model_effect(
            question.module,
            model_params(model=model, purpose=purpose or DECIDE, digest=""),
            subject=self.subject,
            environment=self._environment(question),
        )
        verdict = gate.judge(effect, self.context)
        return _answer("", verdict, effect, frozen=self._frozen(effect))

    def _shown_paths(self, effect: Effect, question: PolicyQuestion, host: str, fence: Fence) -> list[str]:
        """The paths that the host resolves; those that contain a bound secret, or a part of one, are masked."""
        paths = gate.paths_to_resolve(effect, self.context)
        plain = replace(self, bindings=parse_bindings([]))._effect(self._requested(question, host, fence), question)
        public = frozenset(gate.paths_to_resolve(plain, self.context))
        return list(dict.fromkeys(path if path in public else MASK for path in paths))

    def _frozen(self, effect: Effect) -> str | None:
        freeze = gate_freezes.holding(effect, self.freezes, self.now)
        return None if freeze is None else freeze.sentence

    def _environment(self, question: PolicyQuestion) -> str:
        return self.environment if question.environment is None else question.environment

    async def _resolved_answer(self, question: PolicyQuestion, host: str) -> PolicyAnswer:
        answer = self._answer(question, host)
        if not answer.paths or answer.problem is not None:
            return answer
        requested = self._requested(question, host)
        paths = gate.paths_to_resolve(self._effect(requested, question), self.context)
        reading = resolving_call(requested, paths, limit=TIMEOUT)
        found = places_of(await self._run(reading, question), paths, requested)
        if isinstance(found, ModuleResult):
            return _unrun(host, Ruling.DENY if found.denied else REFUSED, found.error or "")
        last = self._answer(question, host, found)
        if answer.ruling == Ruling.ALLOW and last.ruling == Ruling.ASK:
            return msgspec.structs.replace(last, ruling=Ruling.DENY, reason=last.reason + TOO_LATE)
        return last

    async def _run(self, reading: RequestedCall, question: PolicyQuestion) -> ModuleResult:
        effect = self._effect(reading, question)
        verdict = gate.judge(effect, self.context)
        if verdict.permit is None:
            denied = verdict.ruling in {Ruling.DENY, Ruling.ASK}
            return ModuleResult(success=False, held=True, denied=denied, error=verdict.reason)
        return await self.modules.run(
            ModuleCall(
                module=reading.module,
                params=effect.params,
                host=reading.host,
                timeout=reading.timeout,
                permit=verdict.permit,
                fence=reading.fence,
            )
        )

    def _requested(self, question: PolicyQuestion, host: str, fence: Fence = Fence.NONE) -> RequestedCall:
        return RequestedCall(
            kind=EffectKind(question.kind),
            origin=Origin(question.origin),
            module=question.module,
            params=question.params,
            host=host,
            timeout=TIMEOUT,
            fence=fence,
        )

    def _effect(self, requested: RequestedCall, question: PolicyQuestion) -> Effect:
        return effect_of(
            requested,
            modules=self.modules,
            bindings=self.bindings,
            subject=self.subject,
            environment=self._environment(question),
        )

    def _answer(
        self, question: PolicyQuestion, host: str, resolved: Mapping[str, tuple[str, ...]] | None = None
    ) -> PolicyAnswer:
        """The verdict; `resolved`: where paths lead on the host, if that is known."""
        problem = refused(self._requested(question, host), self.modules)
        fence: Fence | None = Fence.NONE
        if question.kind is CallKind.OBSERVATION:
            fence = fence_of(
                Origin(question.origin), question.module, question.params,
                fences_checks=self.context.dry_run and not self.context.run_checks,
            )  # fmt: skip
            if fence is None:
                return _unrun(host, REFUSED, problem or not_an_observation(question.module, question.params))
        effect = self._effect(self._requested(question, host, fence), question)
        verdict = gate.judge(gate.with_paths(effect, resolved or {}), self.context)
        if problem is not None and verdict.ruling is not Ruling.HOLD:
            return _unrun(host, REFUSED, problem)
        cannot_wait = question.origin is CallOrigin.RULE and verdict.ruling is Ruling.ASK
        begins = resolved is None and not cannot_wait and verdict.ruling in {Ruling.ALLOW, Ruling.ASK}
        return _answer(
            host,
            verdict,
            effect,
            refused_since=CANNOT_WAIT if cannot_wait else "",
            paths=self._shown_paths(effect, question, host, fence) if begins else [],
            frozen=self._frozen(effect),
        )


def _answer(
    host: str,
    verdict: Verdict,
    effect: Effect,
    *,
    refused_since: str = "",
    paths: Sequence[str] = (),
    frozen: str | None = None,
) -> PolicyAnswer:
    """The verdict as an answer; `refused_since`: why what needs an approval is denied."""
    return PolicyAnswer(
        host=host,
        ruling=Ruling.DENY if refused_since else verdict.ruling,
        rule=verdict.rule,
        source=verdict.source or None,
        revision=verdict.revision or None,
        reason=verdict.reason + refused_since,
        problem=None,
        fence=effect.fence,
        paths=list(paths),
        frozen=frozen,
        needs=[] if refused_since else [approval_terms.required(need) for need in verdict.needs],
    )


def _unrun(host: str, ruling: str, why: str) -> PolicyAnswer:
    """The answer about a call that the engine does not run, for another reason than a rule about it."""
    problem = why if ruling == REFUSED else None
    return PolicyAnswer(
        host=host, ruling=ruling, rule=None, source=None, reason=why, problem=problem, fence=Fence.NONE
    )
