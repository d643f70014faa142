"""An engine whose hosts and decider are scripted; the database is a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ftl2_enterprise.adapters.hosts import call_plan
from ftl2_enterprise.adapters.hosts.local.calls import LocalCalls
from ftl2_enterprise.adapters.rules.runner import RuleProcesses
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.gate.effects import HostIdentity
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.engine.context import LoopContext, RunLimits
from ftl2_enterprise.loops.ports import (
    HostEntry,
    ModelCallLog,
    ModuleCall,
    ModuleResult,
    PromptAnswer,
    Situation,
    StopSignal,
)
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.rules.load import load_rules
from ftl2_enterprise.loops.secrets import parse_bindings
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec, Prompt
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.data.new_database import new_database
from tests.support.service.writing import PlainWriter

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.unit import Writer

type Handler = Callable[[ModuleCall], ModuleResult | Awaitable[ModuleResult]]


async def forever() -> NoReturn:
    """Wait until the task is cancelled."""
    while True:
        await asyncio.Event().wait()


def ok(**values: Any) -> ModuleResult:
    return ModuleResult(success=True, **values)


def failed(error: str, **values: Any) -> ModuleResult:
    return ModuleResult(success=False, error=error, **values)


class ScriptedModules:
    """Hosts in memory: `facts` describes them, and handlers by module name give the results of calls."""

    def __init__(self, hosts: Mapping[str, Sequence[str]] | None = None) -> None:
        self.groups: dict[str, tuple[str, ...]] = {"localhost": (), **{k: tuple(v) for k, v in (hosts or {}).items()}}
        self.calls: list[ModuleCall] = []
        self.compared: list[ModuleCall] = []
        self.changes: Handler = lambda call: ok(
            changed=True, output={"diff": {"path": "/x", "after": {"mode": "0644"}}}
        )
        """What a call would change, for dry runs and approvals."""
        self.handlers: dict[str, Handler] = {}
        self.refused: dict[str, str] = {}
        self.world: dict[str, Any] = {}
        self.addresses: dict[str, str] = {}
        self.cancelled: list[ModuleCall] = []
        self.closed = False

    def expand(self, target: str) -> list[str]:
        if target in self.groups:
            return [target]
        hosts = [name for name, groups in self.groups.items() if target in groups]
        if not hosts:
            raise not_found(f"cannot find the host or group {target!r}", "name one of the inventory")
        return hosts

    def hosts(self) -> list[HostEntry]:
        return [HostEntry(name=name, groups=groups) for name, groups in self.groups.items()]

    def identity(self, host: str) -> HostIdentity:
        return HostIdentity(name=host, names=self.groups.get(host, ()), address=self.addresses.get(host, ""))

    def identity_of(self, entry: HostEntry) -> HostIdentity:
        return HostIdentity(name=entry.name, names=entry.groups, is_registered=True)

    def privilege(self, host: str) -> str:
        return ""

    def refuse(self, module: str, host: str) -> str | None:
        return self.refused.get(module)

    def source_digest(self, module: str, params: Mapping[str, Any]) -> str:
        return call_plan.source_digest(canonical(module), params)

    def add_host(self, entry: HostEntry) -> None:
        self.groups[entry.name] = entry.groups

    def remove_host(self, name: str) -> None:
        self.groups.pop(name, None)

    async def run(self, call: ModuleCall) -> ModuleResult:
        call.permit.require_call(
            host=self.identity(call.host),
            module=canonical(call.module),
            params=call.params,
            privilege="",
            fence=call.fence,
        )
        if not call.is_still_allowed():
            return ModuleResult(success=False, held=True)
        (self.compared if call.compare else self.calls).append(call)
        handler = self.changes if call.compare else self.handlers.get(call.module)
        if handler is None:
            return ok(output={"world": dict(self.world)})
        try:
            result = handler(call)
            if not isinstance(result, ModuleResult):
                return await result
        except asyncio.CancelledError:
            self.cancelled.append(call)
            raise
        return result

    async def close(self) -> None:
        self.closed = True

    def ran(self, module: str) -> list[ModuleCall]:
        return [call for call in self.calls if call.module == module]


class ScriptedDecider:
    """Answers from a list; each entry is a decision or a function of the situation."""

    def __init__(
        self,
        *script: Decision | Callable[[Situation], Decision],
        observe: Sequence[ObservationSpec] = (),
        is_model: bool = False,
        name: str = "scripted",
    ) -> None:
        self.script: list[Decision | Callable[[Situation], Decision]] = list(script)
        self.observe = list(observe)
        self.is_model = is_model
        self.name = name
        self.situations: list[Situation] = []

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        return self.observe

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        self.situations.append(situation)
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return entry if isinstance(entry, Decision) else entry(situation)


@dataclass
class ScriptedPeople:
    """Answers questions from a list; None when the list is spent."""

    replies: list[str] = field(default_factory=list[str])
    name: str = "tester"
    asked: list[Prompt] = field(default_factory=list[Prompt])

    async def ask(self, prompt: Prompt) -> str | None:
        self.asked.append(prompt)
        return self.replies.pop(0) if self.replies else None


@dataclass
class Bench:
    """One loop with its parts at hand."""

    database: Store
    loop_id: int
    modules: ScriptedModules
    decider: Any
    people: ScriptedPeople
    stop: StopSignal
    events: list[Event]
    limits: RunLimits
    writer: Writer | None = None
    """Another one than the process itself."""
    person: Caller | None = None
    """The user at the terminal."""
    site: Callable[[], Policy] = Policy

    async def run(self) -> Loop:
        """Claim and run the loop, as a new process would."""
        loop = self.loop()
        journal = process.claim(self.database, self.loop_id, self.writer or PlainWriter(self.database))
        spec = loop.spec
        bindings = parse_bindings(spec.secrets)
        rules_dir = Path(spec.rules_dir) if spec.rules_dir else None
        local = LocalCalls()
        rules = RuleProcesses(local.open_supervisor)
        engine = LoopContext(
            spec=spec,
            journal=journal,
            modules=self.modules,
            decider=self.decider,
            policy=load_policy(Path(spec.policy)) if spec.policy else Policy(),
            bindings=bindings,
            redactor=Redactor(bindings.values()),
            prompter=self.people,
            stop=self.stop,
            limits=self.limits,
            clock=SystemClock(),
            random=lambda: 0.5,
            load_rules=lambda scope: load_rules(rules_dir, rules, scope),
            rules=rules,
            read_freezes=FreezeFiles(self.database.path).in_force,
            person=self.person,
            site=self.site,
        )
        try:
            return await process.run(engine)
        finally:
            await rules.close()
            local.close()
            process.release(journal)

    def loop(self) -> Loop:
        with self.database.read() as tx:
            return loop_rows.get_loop(tx, self.loop_id)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def data(self, kind: str) -> list[dict[str, Any]]:
        """The data of the events of a kind, but for the iteration that they belong to."""
        without = {"iteration_id"}
        return [
            {name: value for name, value in event.data.items() if name not in without}
            for event in self.events
            if event.kind == kind
        ]


UNPACED = RunLimits(attempts=100, retry_delay=0.0)
"""Repeats without a pause, so that tests of everything else are quick."""


@contextmanager
def bench(
    tmp_path: Path,
    decider: Any,
    *,
    modules: ScriptedModules | None = None,
    people: ScriptedPeople | None = None,
    limits: RunLimits | None = None,
    **spec: Any,
):
    """A database with one loop in it."""
    database = new_database(tmp_path / "loops.db")
    events: list[Event] = []
    database.listen(events.append)
    requested = LoopSpec(name=spec.pop("name", "web"), desired_state="as it should be", decider=decider.name, **spec)
    with database.write() as tx:
        loop = loop_rows.create_loop(tx, requested)
    try:
        yield Bench(
            database=database,
            loop_id=loop.id,
            modules=modules or ScriptedModules(),
            decider=decider,
            people=people or ScriptedPeople(),
            stop=StopSignal(),
            events=events,
            limits=limits or UNPACED,
        )
    finally:
        database.close()
