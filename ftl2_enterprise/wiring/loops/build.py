"""Builds the context of a loop from its row and the settings, and refuses an invalid loop before anything runs."""

from __future__ import annotations

import grp
import os
import pwd
import random
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.adapters.deciders.manifest.load import load_text, looks_like_manifest
from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.adapters.hosts import module_catalogue
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.adapters.hosts.local.calls import Helper, LocalCalls
from ftl2_enterprise.adapters.models.claude.client import CREDENTIALS, ClaudeModel
from ftl2_enterprise.adapters.models.settings import ModelSettings, price_of
from ftl2_enterprise.core.clock import Clock, SystemClock
from ftl2_enterprise.core.problem import Problem, conflict, invalid
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.core.source_files import ON_DISK, SourceFiles
from ftl2_enterprise.gate.budgets import Limit, micro
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.gate.policy.types import Policy, RuleDecision
from ftl2_enterprise.loops import process, secrets
from ftl2_enterprise.loops.engine.context import LoopContext, RunLimits
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS
from ftl2_enterprise.loops.ports import ModelLimits
from ftl2_enterprise.loops.rows import loops as loop_rows, rules as rule_rows
from ftl2_enterprise.loops.rules.files import in_use
from ftl2_enterprise.loops.secrets import OF_THE_UNIT, Bindings, parse_bindings
from ftl2_enterprise.loops.settings import LoopSettings, ObservationSettings
from ftl2_enterprise.loops.units import desired_state as desired_units, runs as run_units
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.labels import check_labels
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.store.freeze_files import FreezeFiles
from ftl2_enterprise.wiring import database, site_policy
from ftl2_enterprise.wiring.loops import rules as loop_rules, sources as loop_sources
from ftl2_enterprise.wiring.loops.hidden import hidden_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan
    from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.loops.engine.journal import LoopJournal
    from ftl2_enterprise.loops.ports import Decider, Prompter, StopSignal
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
    from ftl2_enterprise.protocol.loops.sent_files import SentFile
    from ftl2_enterprise.store.database import Store

DEFAULT_OBSERVERS = [ObservationSpec(name="system", module="system", host="all")]
"""The default observation for models and rules: of each host of the inventory, or of this machine without one."""


def open_database(settings: Settings, *, create: bool) -> Store:
    """The database of the settings. Raises Problem."""
    return database.open_database(Path(settings.store.path), create=create)


def prepare(
    spec: LoopSpec, settings: Settings, *, in_service: bool = False, files: Sequence[SentFile] = ()
) -> LoopSpec:
    """The spec, completed and validated: paths are absolute, the decider is chosen, and all files can be read.

    `files` were sent with it; the result has the digests of those that it needs. Raises Problem. It changes nothing.
    """
    return prepare_text(spec, settings, None, in_service=in_service, files=files)[0]


def prepare_text(
    spec: LoopSpec, settings: Settings, text: str | None, *, in_service: bool, files: Sequence[SentFile]
) -> tuple[LoopSpec, str | None]:
    """As `prepare`; with a text of the person who requests it, without the secrets that are in it."""
    sent = loop_sources.sent(files)
    decider, model = choose(spec, settings), settings.section(ModelSettings)
    prepared = msgspec.structs.replace(
        spec,
        decider=decider,
        source=_absolute(spec.source),
        inventory=_absolute(spec.inventory),
        policy=_absolute(spec.policy),
        rules_dir=_absolute(spec.rules_dir),
        model=spec.model or model.model or None,
        max_cost=spec.max_cost if spec.max_cost is not None else model.max_cost,
        max_tokens=spec.max_tokens if spec.max_tokens is not None else model.max_tokens,
        observers=spec.observers if spec.observers is not None else default_observers(decider),
    )
    needs = read(prepared, settings, in_service=in_service, sources=sent)
    if prepared.inventory in sent.used:
        loop_sources.check_inventory(prepared.inventory, needs.inventory)
    stored = dict(loop_sources.digests(files, sent.used, needs.redactor))
    prepared = msgspec.structs.replace(prepared, files=stored)
    if isinstance(needs.decider, ManifestDecider):
        _check_names(needs.decider.plan, needs.inventory)
        if not in_use(loop_rules.rules_dir(prepared, settings)):
            secrets.check_used(needs.bindings, needs.decider.plan.modules)
        order = list(LoopRemediation)
        stricter = max(prepared.remediation, needs.decider.plan.remediation, key=order.index)
        labels = {**needs.decider.plan.labels, **prepared.labels}
        check_labels(labels)
        prepared = msgspec.structs.replace(prepared, remediation=stricter, labels=labels)
    return prepared, None if text is None else needs.redactor.text(text)


def _absolute(path: str | None) -> str | None:
    return str(Path(path).expanduser().absolute()) if path else None


def default_observers(decider: str) -> list[ObservationSpec]:
    """What is observed for that decider, unless the specification has observations."""
    return [] if decider == "manifest" else DEFAULT_OBSERVERS


def choose(spec: LoopSpec, settings: Settings) -> str:
    """The decider of the loop."""
    if spec.decider != "auto":
        return spec.decider
    # An invalid YAML file gets an error as a manifest: sentences for a model are not written in YAML files.
    if looks_like_manifest(spec.desired_state) or Path(spec.source or "").suffix in {".yaml", ".yml"}:
        return "manifest"
    return settings.section(ModelSettings).provider or "rules"


@dataclass(frozen=True, kw_only=True)
class LoopInputs:
    """Everything that was read for a loop, once, before it is built."""

    inventory: Inventory
    policy: Policy
    site: Callable[[], Policy]
    """The policy of the site, as it is in force when this is called."""
    bindings: Bindings
    redactor: Redactor
    """Knows the secrets of the bindings and the keys of the model."""
    decider: Decider


def read(
    spec: LoopSpec, settings: Settings, *, in_service: bool = False, sources: SourceFiles = ON_DISK
) -> LoopInputs:
    """Read everything that the loop needs. Raises Problem.

    The code of rules is not executed: files that cannot be rules are found, and errors in others when the loop runs.
    `in_service` matters for hints about missing secrets.
    """
    inventory = inventory_files.load(spec.inventory, sources)
    policy = _policy(spec.policy, sources)
    site = _site(settings, in_service=in_service)
    bindings = parse_bindings(spec.secrets, in_service=in_service)
    plan = manifest(spec, sources) if spec.decider == "manifest" else None
    bindings = secrets.complete(bindings, plan.secrets if plan else {}, in_service=in_service)
    decider = _decider(spec, settings, plan, expand=inventory.expand, bindings=bindings)
    loop_rules.check(spec, settings)
    if spec.decider == "claude" and shutil.which(settings.section(ModelSettings).command) is None:
        raise invalid(
            f"cannot ask claude: the program {settings.section(ModelSettings).command!r} is not installed",
            "install Claude Code, or set model.command in the configuration",
        )
    return LoopInputs(
        inventory=inventory,
        policy=policy,
        site=site,
        bindings=bindings,
        redactor=Redactor([*bindings.values(), *model_keys().values()]),
        decider=decider,
    )


SITE = "site"
"""What the policy of the site is called among several."""


def policies(
    spec: LoopSpec, settings: Settings, *, in_service: bool = False, sources: SourceFiles = ON_DISK
) -> list[tuple[str, Policy]]:
    """Every policy that applies to the loop, in order, each with what it is of. Raises Problem."""
    return [(SITE, _site(settings, in_service=in_service)()), (spec.name, _policy(spec.policy, sources))]


def defaults(settings: Settings) -> Mapping[str, RuleDecision]:
    """What happens to actions about which the site has no rule, by origin."""
    found = settings.section(PolicySettings).defaults
    return {origin: RuleDecision(decision) for origin, decision in found.items()}


def _site(settings: Settings, *, in_service: bool) -> Callable[[], Policy]:
    """The policy of the site: as the service has published it, or in the foreground as it is in the files now."""
    if in_service:
        return site_policy.PublishedSite(settings)
    found = site_policy.read_directory(settings)
    return lambda: found


def _policy(path: str | None, sources: SourceFiles) -> Policy:
    if not path:
        return Policy()
    # The import of PyYAML takes several milliseconds, and most processes have no policy.
    from ftl2_enterprise.gate.policy.file import load_policy  # noqa: PLC0415

    return load_policy(Path(path), sources)


def _check_names(manifest: ManifestPlan, inventory: Inventory) -> None:
    """Refuse a manifest that names modules or hosts which do not exist. Raises Problem."""
    for step in manifest.steps:
        for action in step.actions:
            refused = [module_catalogue.find(action.module, local=local) for local in (True, False)]
            if all(isinstance(why, str) for why in refused):
                raise invalid(str(refused[0]), f"the step {step.step.name!r} refers to it")
        for target in step.targets:
            inventory.expand(target)


def manifest(spec: LoopSpec, sources: SourceFiles) -> ManifestPlan:
    """The plan of the manifest that is its text. Raises Problem."""
    source = Path(spec.source) if spec.source else None
    return load_text(
        spec.desired_state,
        source=str(source) if source else "the desired state",
        directory=source.parent if source else Path.cwd(),
        sources=sources,
    )


def _decider(
    spec: LoopSpec,
    settings: Settings,
    plan: ManifestPlan | None,
    *,
    expand: Callable[[str], Sequence[str]],
    bindings: Bindings,
) -> Decider:
    if plan is not None:
        return ManifestDecider(plan, expand=expand, reveal=bindings.reveal)
    match spec.decider:
        case "rules":
            return RulesDecider()
        case "claude":
            used = settings.section(ModelSettings)
            model = ClaudeModel(
                command=used.command,
                model=spec.model,
                timeout=used.timeout,
                bare=used.bare or None,
                price=price_of(used.prices, spec.model),
                max_call_cost=used.max_call_cost,
                max_output_tokens=used.max_output_tokens,
                hidden={binding.variable for binding in bindings.all if binding.variable},
            )
            return AiDecider(model, retries=used.retries, redact=Redactor(bindings.values()).text)
        case other:
            raise invalid(
                f"cannot use the decider {other!r}: it does not exist", "use auto, manifest, rules or claude"
            )


def model_keys() -> dict[str, str]:
    """The variables of this process with which a model program authenticates."""
    return {name: os.environ[name] for name in CREDENTIALS if os.environ.get(name)}


def model_limits(given: ModelSettings) -> ModelLimits:
    """The limits of the settings for the model calls of all loops."""
    return ModelLimits(
        daily=Limit(None if given.daily_cost is None else micro(given.daily_cost), given.daily_tokens),
        parallel=given.parallel,
        rate=given.rate,
        breaker_failures=given.breaker_failures,
        breaker_pause=given.breaker_pause,
        breaker_cap=given.breaker_cap,
    )


@dataclass(frozen=True, kw_only=True)
class ServiceSupport:
    """What the service provides for a loop that it runs."""

    rest: float
    """Seconds: a loop that has nothing to do for longer ends its process."""
    helper: Helper | None = None
    """The helper process for local calls."""
    rule_output: Callable[[str], None] = lambda line: None
    """Logs a line that a rule has printed."""


def build(
    journal: LoopJournal,
    loop: Loop,
    needs: LoopInputs,
    *,
    settings: Settings,
    people: Prompter,
    stop: StopSignal,
    clock: Clock,
    served: ServiceSupport | None = None,
) -> LoopContext:
    """The context of a loop that this process has claimed. Raises Problem."""
    spec, of_loops = loop.spec, settings.section(LoopSettings)
    # The keys of the model are secrets, too: modules do not receive them, and they are redacted in stored texts.
    keys, redactor = model_keys(), needs.redactor
    # Files there are named by their content and created under a lock, so that all loops can share them.
    work_dir = Path(settings.store.path).parent / "cache"
    work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    local = LocalCalls(hidden=[*keys, *OF_THE_UNIT], helper=served.helper) if served else LocalCalls(hidden=keys)
    modules = Ftl2Modules(
        needs.inventory,
        work_dir=work_dir,
        redact=redactor.known,
        local=local,
        hidden=hidden_places(settings),
        in_service=served is not None,
    )
    # The helper loads while the run begins: nothing else takes as long before the first local observation.
    modules.get_ready()
    rules = loop_rules.processes(spec, settings, local.open_supervisor, served.rule_output if served else None)
    return LoopContext(
        spec=spec,
        journal=journal,
        modules=modules,
        decider=needs.decider,
        policy=needs.policy,
        site=needs.site,
        defaults=defaults(settings),
        bindings=needs.bindings,
        redactor=redactor,
        prompter=people,
        stop=stop,
        limits=RunLimits(
            parallel_hosts=of_loops.parallel_hosts,
            observation_timeout=of_loops.observation_timeout,
            attempts=of_loops.attempts,
            retry_delay=of_loops.retry_delay,
            stale_after=of_loops.stale_after,
            audit_every=of_loops.audit_every,
            jitter=of_loops.jitter,
            backoff_cap=of_loops.backoff_cap,
            models=model_limits(settings.section(ModelSettings)),
            unfenced_commands=settings.section(ObservationSettings).unfenced_commands,
            approval_timeout=of_loops.approval_timeout,
            rest=served.rest if served else None,
        ),
        clock=clock,
        random=random.random,
        load_rules=loop_rules.loader(spec, settings, rules, lambda: journal.read(rule_rows.get_disabled_rules)),
        rules=rules,
        read_freezes=FreezeFiles(Path(journal.store.path)).in_force,
        person=None if served else this_person(),
    )


def this_person() -> Caller:
    """The user of this process, who has the database: only the kernel restricts what they may do with it."""
    groups: list[str] = []
    for number in {os.getegid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:
            groups.append(str(number))
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return Caller(uid=os.getuid(), name=name, access=Access.ADMINISTER, groups=sorted(groups))


def _is_of_the_service(loop: Loop) -> Problem:
    name = shlex.quote(loop.name)
    if loop.state in ENDED_LOOPS:
        return conflict(
            f"cannot run {loop.name}: it belongs to the service, and has ended", f"see `ftl2ctl show {name}`"
        )
    return conflict(
        f"cannot run {loop.name}: the service runs it",
        f"see `ftl2ctl show {name}`, or choose another --name for a new loop",
    )


async def run_loop(
    store_: Store,
    loop_id: int,
    *,
    settings: Settings,
    people: Prompter,
    stop: StopSignal,
    limits: Mapping[str, Any] | None = None,
    begun: Callable[[], None] | None = None,
    waits_for_thaw: bool = True,
) -> Loop:
    """Run the loop in this process until it ends, waits or is stopped; returns its row.

    `limits` are fields of its LoopSpec to change; `begun` is called after everything has been validated;
    `waits_for_thaw` as of `process.run`.

    Raises Problem for an invalid loop before anything runs, for a loop that another live process runs, and when the
    database cannot be written; Crashed for an unexpected exception. After the last three the loop can be resumed.
    """
    with store_.read() as tx:
        loop = loop_rows.get_loop(tx, loop_id)
    if loop.managed:
        raise _is_of_the_service(loop)
    needs = read(loop.spec, settings)
    journal = process.claim(store_, loop.id)
    try:
        loop = journal.commit(desired_units.take, loop.id, journal.generation)
        if limits:
            loop = journal.commit(run_units.change_limits, loop.id, journal.generation, dict(limits))
        engine = build(journal, loop, needs, settings=settings, people=people, stop=stop, clock=SystemClock())
        if begun is not None:
            begun()
        try:
            await process.run(engine, waits_for_thaw=waits_for_thaw)
        finally:
            await engine.rules.close()
            await engine.modules.close()
    finally:
        process.release(journal)
    with store_.read() as tx:
        return loop_rows.get_loop(tx, loop_id)
