"""Everything that one loop's process works with, gathered once by the wiring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
    """How much and how long. Durations are seconds."""

    parallel_hosts: int = 10
    observation_timeout: float = 60.0
    rule_timeout: float = 30.0
    stale_after: float = 300.0
    """Observations and decisions older than this are not acted upon after a crash; the loop observes again."""
    audit_every: float = 86_400.0
    """A recorded check spares the model for at most this long."""
    jitter: float = 0.1
    backoff_cap: float = 3600.0
    past: int = 5
    """Iterations of a run that a decider is shown."""
    stop_grace: float = 10.0
    """How long a model may still take for its answer after a stop was asked; nothing is lost when it is cut off."""
    ssh_wait: float = 180.0
    """How long a machine that an action has made may take to answer on port 22."""
    rest: float | None = None
    """A process of the service ends rather than rest for longer, or wait for an answer: another one is started when
    there is something to do. Without the service there is no other process, so this one waits.
    """


@dataclass(frozen=True, kw_only=True)
class LoopContext:
    """The parts of one loop. Nothing in here changes while the loop runs."""

    spec: LoopSpec
    journal: LoopJournal
    modules: Modules
    decider: Decider
    policy: Policy
    bindings: Bindings
    redactor: Redactor
    people: Prompter
    stop: StopSignal
    limits: RunLimits
    clock: Clock
    random: Callable[[], float]
    load_rules: Callable[[], RuleSet]

    @property
    def is_served(self) -> bool:
        """Whether the service runs this loop, and wakes it."""
        return self.limits.rest is not None

    def judge(self, module: str, params: dict[str, Any], host: str, *, observing: bool) -> PolicyVerdict:
        """Ask the policy about a call as it will really be made, secrets included."""
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
        """Why a call is not made, and whether it is policy that forbids it; None when it may be made."""
        why = self.modules.refuse(module, host)
        if why is not None:
            return why, False
        verdict = self.judge(module, params, host, observing=observing)
        return None if verdict.allowed else (self.redactor.text(verdict.reason), True)

    def summary(self, module: str, params: dict[str, Any]) -> str:
        """One redacted line that says what a call does."""
        parts = [f"{key}={_short(value)}" for key, value in self.redactor.value(params).items()]
        return " ".join([module, *parts])[:240]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json_text(value)
    line = text.replace("\n", "\\n")
    return line if len(line) <= 60 else line[:57] + "..."


def target_of(host: str | None) -> str:
    """The host or group that a decision names; without one it is the machine the loop runs on."""
    return host or LOCALHOST


async def side_by_side[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do it all at once; results in order. The first failure cancels the rest and is raised as it is."""
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
    """The result of the work; None when `stop` ended first, and then the work has been cancelled and is over."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop)
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (stopping, working):
            task.cancel()
        await asyncio.gather(stopping, working, return_exceptions=True)
