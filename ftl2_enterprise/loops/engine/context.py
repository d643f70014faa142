"""The context of one loop's process: its ports, limits and policy, assembled once by the wiring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.loops.policy.judge import evaluate
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST, LoopSpec
from ftl2_enterprise.store.columns import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ftl2_enterprise.core.clock import Clock
    from ftl2_enterprise.core.redact import Redactor
    from ftl2_enterprise.loops.engine.journal import LoopJournal
    from ftl2_enterprise.loops.policy.types import Policy, PolicyVerdict
    from ftl2_enterprise.loops.ports import Decider, Modules, Prompter, StopSignal
    from ftl2_enterprise.loops.rules.rule import RuleSet
    from ftl2_enterprise.loops.secrets import Bindings


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """Limits of a run. Durations are in seconds."""

    parallel_hosts: int = 10
    observation_timeout: float = 60.0
    rule_timeout: float = 30.0
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
    rest: float | None = None
    """A process of the service ends if its loop rests for longer than this, or waits for an answer: the service
    starts another one when the loop is due. None in the foreground, where no other process would take over.
    """


@dataclass(frozen=True, kw_only=True)
class LoopContext:
    """What the engine needs to run one loop. Nothing in it changes while the loop runs."""

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
    load_rules: Callable[[], RuleSet]

    @property
    def is_served(self) -> bool:
        """Whether the service runs this loop and wakes it when it is due."""
        return self.limits.rest is not None

    def judge(self, module: str, params: dict[str, Any], host: str, *, observing: bool) -> PolicyVerdict:
        """Evaluate the policy for a call with the parameters that the module would receive, secrets included."""
        facts = self.modules.environment_facts(host)
        return evaluate(
            self.policy,
            module=module,
            params=self.bindings.inject(module, params),
            host=host,
            groups=facts.get("groups", ()),
            environment=self.spec.environment,
            observing=observing,
        )

    def refused(self, module: str, params: dict[str, Any], host: str, *, observing: bool) -> tuple[str, bool] | None:
        """The reason for refusing a call, and whether policy denies it; None when the call is allowed."""
        why = self.modules.refuse(module, host)
        if why is not None:
            return why, False
        verdict = self.judge(module, params, host, observing=observing)
        return None if verdict.allowed else (self.redactor.text(verdict.reason), True)

    def summary(self, module: str, params: dict[str, Any]) -> str:
        """One redacted line that describes a call: the module and its parameters."""
        parts = [f"{key}={_short(value)}" for key, value in self.redactor.value(params).items()]
        return " ".join([module, *parts])[:240]


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
