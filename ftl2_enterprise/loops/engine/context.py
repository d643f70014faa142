"""The context of one loop's process: its ports, limits and policy, assembled once by the wiring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.gate import freezes as gate_freezes, judge as gate
from ftl2_enterprise.gate.approvals import EXPIRES, Remediation, places_bound
from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, UnfencedCommands
from ftl2_enterprise.gate.modules import canonical, internal_parameter
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.gate.smuggled import smuggled
from ftl2_enterprise.gate.verdicts import Ruling, Verdict
from ftl2_enterprise.loops.engine.calls import JudgedCall, RequestedCall, places_of, resolving_call
from ftl2_enterprise.loops.ports import NO_LIMITS, ModelLimits, ModuleCall, ModuleResult
from ftl2_enterprise.loops.secrets import exposed
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST, LoopSpec
from ftl2_enterprise.store.columns import json_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence

    from ftl2_enterprise.core.clock import Clock
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.core.redact import Redactor
    from ftl2_enterprise.gate.approvals import ApprovalNeed
    from ftl2_enterprise.gate.policy.types import RuleDecision
    from ftl2_enterprise.loops.engine.journal import LoopJournal
    from ftl2_enterprise.loops.ports import Decider, Modules, Prompter, RuleRunner, StopSignal
    from ftl2_enterprise.loops.rules.rule import RuleSet
    from ftl2_enterprise.loops.rules.scope import RuleScope
    from ftl2_enterprise.loops.secrets import Bindings, Secret
    from ftl2_enterprise.protocol.caller import Caller


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """Limits of a run. Durations are in seconds."""

    parallel_hosts: int = 10
    observation_timeout: float = 60.0
    rule_timeout: float = 30.0
    attempts: int = 3
    """How often a run executes the same action, or observes again what cannot be observed, before it ends."""
    retry_delay: float = 1.0
    """Before the second attempt; it doubles before each further one."""
    stale_after: float = 300.0
    """After a crash, observations and decisions older than this are discarded and the loop observes again."""
    audit_every: float = 86_400.0
    """A recorded check replaces the model for at most this long."""
    jitter: float = 0.1
    backoff_cap: float = 3600.0
    past: int = 5
    """Earlier iterations of the run that are passed to the decider."""
    stop_grace: float = 10.0
    """How long a model call may continue after a stop was requested; then it is cancelled, and nothing is lost."""
    ssh_wait: float = 180.0
    """How long a machine that an action created may take to accept connections on its SSH port."""
    models: ModelLimits = NO_LIMITS
    unfenced_commands: UnfencedCommands = UnfencedCommands.DENY
    """What happens to a model's command where its host cannot build the sandbox."""
    approval_timeout: float = EXPIRES
    """How long people may take to approve actions, where no rule has a limit."""
    rest: float | None = None
    """A process of the service ends if its loop rests for longer than this, or waits for an answer: the service
    starts another one when the loop is due. None in the foreground, where no other process would take over.
    """


CANNOT_WAIT = "; a call of a rule cannot wait for an approval"
TOO_LATE = "; people cannot be asked when a call is about to begin"
MOVED = "denied: where its paths lead changed since people approved it"
CUT_CHECK = 0.2
"""Seconds between checks whether a freeze interrupts what is running."""


class Held(Exception):
    """A freeze holds what the iteration needs next, or has interrupted it."""

    def __init__(self, freeze: Freeze) -> None:
        super().__init__(freeze.sentence)
        self.freeze: Freeze = freeze


class Grants:
    """The effects that people have approved and that are being executed."""

    effects: Mapping[str, frozenset[ApprovalNeed]] = MappingProxyType({})
    """By digest: what was required of the people."""
    places: Mapping[str, str] = MappingProxyType({})
    """By digest: where their paths led, as `places_bound`."""
    salt: bytes = b""


@dataclass(frozen=True, kw_only=True)
class LoopContext:
    """What the engine needs to run one loop.

    Nothing in it changes while the loop runs but the grants, and what `learn` adds.
    """

    spec: LoopSpec
    journal: LoopJournal
    modules: Modules
    decider: Decider
    policy: Policy
    bindings: Bindings
    redactor: Redactor
    prompter: Prompter
    stop: StopSignal
    limits: RunLimits
    clock: Clock
    random: Callable[[], float]
    load_rules: Callable[[RuleScope], Awaitable[RuleSet]]
    rules: RuleRunner
    read_freezes: Callable[[], Sequence[Freeze]]
    """The freezes that people have put in force, read anew at each call."""
    site: Callable[[], Policy] = Policy
    """The policy of the site, as it is in force now."""
    defaults: Mapping[str, RuleDecision] = field(default_factory=dict[str, "RuleDecision"])
    """By origin: what happens to actions about which the site has no rule."""
    person: Caller | None = None
    """The user at the terminal of this process, who approves actions there; None in the service."""
    grants: Grants = field(default_factory=Grants)

    @property
    def is_served(self) -> bool:
        """Whether the service runs this loop and wakes it when it is due."""
        return self.limits.rest is not None

    @property
    def fences_checks(self) -> bool:
        """Whether the checks of people run in the sandbox, too."""
        return self.spec.dry_run and not self.spec.run_checks

    @property
    def decided_by(self) -> Origin:
        """Who asks for the effects of a decision."""
        return Origin.MODEL if self.decider.is_model else Origin.MANIFEST

    @cached_property
    def subject(self) -> str:
        """What asks for the effects, as they name it."""
        return loop_subject(self.journal.loop_id)

    @cached_property
    def _remediation(self) -> Remediation:
        return Remediation(self.spec.remediation.value)

    @property
    def gate(self) -> GateContext:
        """What every verdict depends on besides the effect, as it is now."""
        site = self.site()
        return GateContext(
            policies=(site, self.policy),
            defaults=self.defaults,
            dry_run=self.spec.dry_run,
            run_checks=self.spec.run_checks,
            unfenced_commands=self.limits.unfenced_commands,
            remediation=self._remediation,
            approved=self.grants.effects,
            freezes=gate_freezes.with_unusable(self.read_freezes(), site.problem),
            now=self.clock.now(),
        )

    def freezes(self) -> Sequence[Freeze]:
        """What is frozen now, by people or because the policy of the site cannot be used."""
        return gate_freezes.with_unusable(self.read_freezes(), self.site().problem)

    def learn(self, answered: Mapping[str, Secret]) -> None:
        """Let calls use the secrets that people have answered, and take them out of every text from now on."""
        if answered != self.bindings.answered:
            self.bindings.answered.clear()
            self.bindings.answered.update(answered)
            self.redactor.learn(secret.reveal() for secret in answered.values())

    def effect(self, requested: RequestedCall) -> Effect:
        """The effect of a call, with the parameters that the module would receive, secrets included."""
        return effect_of(
            requested,
            modules=self.modules,
            bindings=self.bindings,
            subject=self.subject,
            environment=self.spec.environment,
        )

    def judge(self, requested: RequestedCall, now: GateContext | None = None) -> Verdict:
        """The verdict of the gate about a call that does not begin yet; the reason is redacted.

        `now`: the gate, if several calls are judged at once.
        """
        return self.judge_effect(self.effect(requested), now)

    def judge_effect(self, effect: Effect, now: GateContext | None = None) -> Verdict:
        """As `judge`, about an effect."""
        verdict = gate.foresee(effect, now or self.gate)
        if not verdict.reason:
            return verdict
        return msgspec.structs.replace(verdict, reason=self.redactor.text(verdict.reason))

    def frozen(self) -> Freeze | None:
        """The freeze that holds everything which this loop could do now, if there is one."""
        return gate_freezes.holding_subject(self.subject, self.freezes(), self.clock.now())

    def is_in_force(self, freeze: Freeze) -> bool:
        """Whether the freeze still holds what it covers."""
        now = self.clock.now()
        return any(one.id == freeze.id and not one.is_over(now) for one in self.freezes())

    def model_call(self, provider: str, params: Mapping[str, str]) -> Effect:
        """The effect of a request to a model; `params` as of `model_params`."""
        return model_effect(provider, params, subject=self.subject, environment=self.spec.environment)

    def refused(self, requested: RequestedCall) -> str | None:
        """Why nothing can run that call, whatever the verdict is; None if it can be run."""
        return refused(requested, self.modules)

    def judge_call(self, requested: RequestedCall, now: GateContext | None = None) -> JudgedCall:
        """The verdict about a call that is to be made now, with a permit if it is allowed; `now` as in `judge`."""
        effect, now = self.effect(requested), now or self.gate
        return JudgedCall(requested=requested, effect=effect, verdict=gate.judge(effect, now), gate=now)

    async def run(self, requested: RequestedCall, judged: JudgedCall | None = None) -> ModuleResult:
        """Run a call if the gate allows it now; the result of a call that it does not allow is `held`.

        `judged`: the verdict about this call, if it was judged before; it counts only if nothing has changed since.
        """
        if judged is None or not self._still_holds(judged):
            judged = self.judge_call(requested)
        effect, now, verdict = judged.effect, judged.gate, judged.verdict
        is_approved = bool(self.grants.effects)
        resolved: Mapping[str, tuple[str, ...]] = {}
        if verdict.permit is not None and (paths := gate.paths_to_resolve(effect, now)):
            found = await self.resolve(requested, paths)
            if isinstance(found, ModuleResult):
                return found
            resolved = found
            agreed = self.grants.places.get(effect.digest()) if is_approved else None
            if agreed is not None and agreed != self.places_bound(resolved, self.grants.salt):
                return ModuleResult(success=False, held=True, denied=True, error=MOVED)
            verdict = gate.judge(gate.with_paths(effect, resolved), self.gate)
        if verdict.permit is None:
            return self._held(verdict)
        last = verdict

        def is_still_allowed() -> bool:
            nonlocal last
            if not is_approved and not resolved and self._still_holds(judged):
                return True
            last = self.judge_effect(gate.with_paths(self.effect(requested), resolved))
            if last.ruling is not Ruling.ALLOW:
                return False
            # A rule about paths that is new would have to know where they lead: the action is planned again.
            return bool(resolved) or not gate.paths_to_resolve(effect, self.gate)

        call = ModuleCall(
            module=requested.module,
            params=effect.params,
            host=requested.host,
            timeout=requested.timeout,
            permit=verdict.permit,
            fence=requested.fence,
            compare=requested.compare,
            injected=frozenset(name for name, value in effect.params.items() if value != requested.params.get(name)),
            is_still_allowed=is_still_allowed,
        )
        result = await unless_cut(self, effect, self.modules.run(call))
        if not isinstance(result, ModuleResult):
            return ModuleResult(
                success=False, lost=True, frozen=result, error=self.redactor.text(f"interrupted: {result.sentence}")
            )
        return self._held(last) if result.held and last.ruling is not Ruling.ALLOW else result

    def _still_holds(self, judged: JudgedCall) -> bool:
        """Whether nothing on which the verdict depends can have changed since; approvals are not considered."""
        before = judged.gate
        return (
            self.modules.identity(judged.requested.host) is judged.effect.host
            and self.site() is before.policies[0]
            and not before.freezes
            and not self.read_freezes()
        )

    def _held(self, verdict: Verdict) -> ModuleResult:
        reason = verdict.reason
        if verdict.ruling is Ruling.ASK:
            # It was allowed when it was planned: its paths lead elsewhere, or the policy is another one now.
            reason += TOO_LATE
        error = self.redactor.text(reason)
        denied = verdict.ruling in {Ruling.DENY, Ruling.ASK}
        return ModuleResult(success=False, held=True, denied=denied, frozen=verdict.freeze, error=error)

    def places_bound(self, resolved: Mapping[str, Sequence[str]], salt: bytes) -> str:
        """What an approval is bound to besides the effect: where its paths lead."""
        text = self.redactor.text
        return places_bound({text(path): list(map(text, places)) for path, places in resolved.items()}, salt)

    def paths_to_resolve(self, effect: Effect) -> Sequence[str]:
        """The paths about which rules could be, if they lead elsewhere."""
        return gate.paths_to_resolve(effect, self.gate)

    async def resolve(
        self, requested: RequestedCall, paths: Sequence[str]
    ) -> Mapping[str, tuple[str, ...]] | ModuleResult:
        """Where paths lead on the host of a call, as of now; the result of the call if that cannot be found out.

        A link that is made between this and the call is not seen: the host can change at any time.
        """
        reading = resolving_call(requested, paths, limit=self.limits.observation_timeout)
        found = places_of(await self.run(reading), paths, requested)
        if isinstance(found, ModuleResult):
            return msgspec.structs.replace(found, error=self.redactor.text(found.error or ""))
        return found

    def summary(self, module: str, params: dict[str, Any]) -> str:
        """One redacted line that describes a call: the module and its parameters."""
        parts = [f"{key}={_short(value)}" for key, value in self.redactor.value(params).items()]
        return " ".join([self.redactor.text(module), *parts])[:240]


def effect_of(
    requested: RequestedCall, *, modules: Modules, bindings: Bindings, subject: str, environment: str
) -> Effect:
    """The effect of a call, as the gate judges it before the call and for `policy check`."""
    return Effect(
        kind=requested.kind,
        origin=requested.origin,
        subject=subject,
        host=modules.identity(requested.host),
        module=canonical(requested.module),
        params=bindings.inject(
            requested.module,
            requested.params,
            reveals=requested.origin is Origin.MANIFEST
            and (requested.kind is EffectKind.ACTION or requested.compare),
        ),
        privilege=modules.privilege(requested.host),
        fence=requested.fence,
        environment=environment,
    )


def model_effect(provider: str, params: Mapping[str, str], *, subject: str, environment: str) -> Effect:
    """The effect of a request to a model, as the gate judges it before the request and for `policy check`."""
    return Effect(
        kind=EffectKind.MODEL_CALL,
        origin=Origin.MODEL,
        subject=subject,
        module=provider,
        params=params,
        environment=environment,
    )


def refused(requested: RequestedCall, modules: Modules) -> str | None:
    """Why nothing can run a call, whatever the verdict about it is; None if it can be run."""
    internal = internal_parameter(requested.params)
    if internal is not None:
        return f"cannot use the parameter {internal} of {requested.module}: only what runs modules sets it"
    if (why := smuggled(requested.module, requested.params)) is not None:
        return why
    if requested.origin is Origin.MANIFEST and (why := exposed(requested.module, requested.params)) is not None:
        return why
    return modules.refuse(requested.module, requested.host)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json_text(value)
    return shorten(text.replace("\n", "\\n"), 60)


def target_of(host: str | None) -> str:
    """The host or group that a decision names; by default the machine that the loop runs on."""
    return host or LOCALHOST


async def run_concurrently[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run the coroutines concurrently; results in order.

    The first failure cancels the others and is raised, unwrapped.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        first = cast("BaseException", failures.exceptions[0])
        while isinstance(first, BaseExceptionGroup):
            first = cast("BaseException", first.exceptions[0])
        raise first from None
    return [task.result() for task in tasks]


async def unless[T](stop: Coroutine[Any, Any, object], work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work; None when `stop` ended first, after the work was cancelled and has ended."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop)
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (stopping, working):
            task.cancel()
        await asyncio.gather(stopping, working, return_exceptions=True)


async def unless_cut[T](engine: LoopContext, effect: Effect, work: Coroutine[Any, Any, T]) -> T | Freeze:
    """The result of the work; or the freeze that interrupted it, after the work was cancelled and has ended."""
    running = asyncio.get_running_loop()
    found: Freeze | None = None

    def check() -> None:
        nonlocal found, timer
        found = gate_freezes.cutting(effect, engine.freezes(), engine.clock.now())
        if found is None:
            timer = running.call_later(CUT_CHECK, check)
        else:
            limit.reschedule(running.time())

    timer = running.call_later(CUT_CHECK, check)
    limit = asyncio.timeout(None)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if found is None or not limit.expired():
            raise
        return found
    finally:
        timer.cancel()
