"""What readers do for the verbs of loops: they read the files that requests name, each in its own process."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.source_files import SentFiles
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.handlers import revisions as revision_handlers, rules as rule_handlers
from ftl2_enterprise.loops.rows import loop_files, revisions as revision_rows
from ftl2_enterprise.loops.rules.files import RuleFile, rule_files
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.hosts import HostKeys, TargetMatch
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce
from ftl2_enterprise.protocol.loops.sent_files import SentFile, check_files
from ftl2_enterprise.protocol.loops.verbs import (
    CheckPolicy,
    FindHostKeys,
    FindTarget,
    ListRules,
    RollbackLoop,
    ShowPolicy,
    SubmitLoop,
    UpdateLoop,
)
from ftl2_enterprise.supervisor.readers.messages import Reading
from ftl2_enterprise.wiring.loops import build, host_names, host_trust, policy_check, rules as loop_rules
from ftl2_enterprise.wiring.loops.derived_values import without_derived
from ftl2_enterprise.wiring.settings import MODEL
from ftl2_enterprise.wiring.warmed_store import open_warmed

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.store.tx import Tx


def _settings(argument: str) -> Settings:
    return child_startup.decode(argument).in_force(MODEL).settings


@contextmanager
def _database(settings: Settings) -> Generator[Tx]:
    store = open_warmed(Path(settings.store.path))
    try:
        with store.read() as tx:
            yield tx
    finally:
        store.close()


def _submit(request: SubmitLoop, argument: str) -> LoopSpec:
    return build.prepare(request.spec, _settings(argument), in_service=True, files=request.files)


class PreparedChange(Wire, frozen=True):
    """A change of a desired state that was validated."""

    spec: LoopSpec
    reason: str | None
    """As it is stored."""


def _update(request: UpdateLoop, argument: str) -> PreparedChange:
    settings = _settings(argument)
    with _database(settings) as tx:
        loop = revision_handlers.updatable(tx, request)
        stored = loop_files.get_files(tx, revision_rows.get_revision(tx, loop.id, loop.revision).id)
    sent = {file.path for file in request.files}
    kept = [SentFile(path=path, content=stored[path]) for path in request.keeps if path in stored.keys() - sent]
    spec = without_derived(request.spec, loop.spec, settings, SentFiles(stored))
    return _prepared(spec, [*request.files, *kept], request.reason, settings)


def _rollback(request: RollbackLoop, argument: str) -> PreparedChange:
    settings = _settings(argument)
    with _database(settings) as tx:
        revision = revision_handlers.restorable(tx, request)
        stored = loop_files.get_files(tx, revision.id)
    files = [SentFile(path=path, content=content) for path, content in stored.items()]
    return _prepared(revision.spec, files, request.reason, settings)


def _prepared(spec: LoopSpec, files: list[SentFile], reason: str | None, settings: Settings) -> PreparedChange:
    check_files(files)
    spec, reason = build.prepare_text(spec, settings, reason, in_service=True, files=files)
    return PreparedChange(spec=spec, reason=reason)


def _check_policy(request: CheckPolicy, argument: str) -> list[list[PolicyAnswer]]:
    settings = _settings(argument)
    with _database(settings) as tx:
        return policy_check.answers(request, settings, tx, in_service=True)


def _show_policy(request: ShowPolicy, argument: str) -> PolicyInForce:
    settings = _settings(argument)
    with _database(settings) as tx:
        return policy_check.in_force(request, settings, tx, in_service=True)


def _find_host_keys(request: FindHostKeys, argument: str) -> HostKeys:
    del argument
    return host_trust.find(request)


def _find_target(request: FindTarget, argument: str) -> TargetMatch:
    with _database(_settings(argument)) as tx:
        return host_names.match(tx, request.name)


def _list_rules(request: ListRules, argument: str) -> list[RuleFile]:
    settings = _settings(argument)
    with _database(settings) as tx:
        if request.loop is not None:
            return loop_rules.files_of(tx, request.loop, settings)
        directories = rule_handlers.directories(tx, settings.section(LoopSettings).rules_dir)
    return rule_files(directories)


def _named(**paths: str | None) -> str:
    """The files, as in "the inventory /srv/hosts.yaml and the policy /srv/policy.yaml"."""
    found = [f"the {what.replace('_', ' ')} {path}" for what, path in paths.items() if path]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def _files_of_loop(request: SubmitLoop | UpdateLoop) -> str:
    spec = request.spec
    named = _named(inventory=spec.inventory, policy=spec.policy, rules_directory=spec.rules_dir)
    desired = f"the desired state {spec.source}" if spec.source else "the desired state"
    return f"{desired}, with {named}" if named else desired


def _files_of_policy(request: CheckPolicy) -> str:
    named = _named(inventory=request.inventory, policy=request.policy)
    return named or ("the policy" if request.loop is None else f"the policy of {request.loop}")


SUBMIT = Reading(name="loops.submit", takes=SubmitLoop, gives=LoopSpec, work=_submit, names=_files_of_loop)
UPDATE = Reading(name="loops.update", takes=UpdateLoop, gives=PreparedChange, work=_update, names=_files_of_loop)
ROLLBACK = Reading(
    name="loops.rollback",
    takes=RollbackLoop,
    gives=PreparedChange,
    work=_rollback,
    names=lambda request: f"the revision {request.to} of {request.loop}",
)
CHECK_POLICY = Reading(
    name="loops.check-policy",
    takes=CheckPolicy,
    gives=list[list[PolicyAnswer]],
    work=_check_policy,
    names=_files_of_policy,
)
SHOW_POLICY = Reading(
    name="loops.show-policy",
    takes=ShowPolicy,
    gives=PolicyInForce,
    work=_show_policy,
    names=lambda request: "the policy" if request.loop is None else f"the policy of {request.loop}",
)
FIND_HOST_KEYS = Reading(
    name="loops.find-host-keys",
    takes=FindHostKeys,
    gives=HostKeys,
    work=_find_host_keys,
    names=lambda request: _named(inventory=request.inventory) or "known_hosts",
)
LIST_RULES = Reading(
    name="loops.list-rules",
    takes=ListRules,
    gives=list[RuleFile],
    work=_list_rules,
    names=lambda request: "the rules" if request.loop is None else f"the rules of {request.loop}",
)
FIND_TARGET = Reading(
    name="loops.find-target",
    takes=FindTarget,
    gives=TargetMatch,
    work=_find_target,
    names=lambda _: "the inventories of loops",
)
READINGS = (SUBMIT, UPDATE, ROLLBACK, CHECK_POLICY, SHOW_POLICY, FIND_HOST_KEYS, LIST_RULES, FIND_TARGET)
