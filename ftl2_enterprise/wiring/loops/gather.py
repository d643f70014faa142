"""Files that control reads for requests: in threads, because a disk may not respond for a long time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.loops.handlers import rules as rule_handlers
from ftl2_enterprise.loops.naming import check_name
from ftl2_enterprise.loops.rules.files import RuleFile, find, rule_files
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.hosts import HostKeys, TargetMatch
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce
from ftl2_enterprise.protocol.loops.verbs import (
    CheckPolicy,
    DisableRule,
    EnableRule,
    FindHostKeys,
    FindTarget,
    ListRules,
    ShowPolicy,
    ShowRule,
    SubmitLoop,
)
from ftl2_enterprise.wiring.loops import build, host_names, host_trust, policy_check, rules as loop_rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.control.dispatch import Gather, Prepare, Verb

WITHIN = 20.0
"""Seconds that reading may take; the file system may not respond."""


def prepares(settings: Callable[[], Settings]) -> dict[Verb, Prepare]:
    """The functions that validate and complete a request before it is written."""

    async def submit(request: SubmitLoop) -> SubmitLoop:
        if request.spec.name:
            check_name(request.spec.name)
        work = asyncio.to_thread(build.prepare, request.spec, settings(), in_service=True)
        spec = await _in_time(
            work, "what the loop needs", "check the file systems of its inventory, policy and rules"
        )
        return msgspec.structs.replace(request, spec=spec)

    return {SubmitLoop: submit}


def gathers(settings: Callable[[], Settings], database: Store) -> dict[Verb, Gather]:
    """The functions that read files for the verbs of rules, of policy, and of keys and names of hosts."""

    def match(request: FindTarget) -> TargetMatch:
        with database.read() as tx:
            return host_names.match(tx, request.name)

    async def matched(request: FindTarget) -> TargetMatch:
        return await _in_time(asyncio.to_thread(match, request), "the inventories", "check their file systems")

    files = {FindHostKeys: _host_keys, FindTarget: matched}
    return _rule_gathers(settings, database) | _policy_gathers(settings, database) | files


async def _host_keys(request: FindHostKeys) -> HostKeys:
    work = asyncio.to_thread(host_trust.find, request)
    return await _in_time(work, "the keys of the host", "check the file systems of the inventory and of known_hosts")


def _rule_gathers(settings: Callable[[], Settings], database: Store) -> dict[Verb, Gather]:

    async def files() -> list[RuleFile]:
        with database.read() as tx:
            directories = rule_handlers.directories(tx, settings().section(LoopSettings).rules_dir)
        hint = f"check the file systems of {', '.join(map(str, directories))}"
        return await _in_time(asyncio.to_thread(rule_files, directories), "the rules", hint)

    def read_of(loop: str) -> list[RuleFile]:
        with database.read() as tx:
            return loop_rules.files_of(tx, loop, settings())

    async def listed(request: ListRules) -> list[RuleFile]:
        if request.loop is None:
            return await files()
        hint = "check the file systems of its rules and its inventory"
        return await _in_time(asyncio.to_thread(read_of, request.loop), "the rules of the loop", hint)

    async def shown(request: ShowRule) -> list[RuleFile]:
        return await files()

    async def enabled(request: EnableRule) -> RuleFile:
        return without_source(await files(), request.rule)

    async def disabled(request: DisableRule) -> RuleFile:
        return without_source(await files(), request.rule)

    def without_source(found: list[RuleFile], rule: str) -> RuleFile:
        return msgspec.structs.replace(find(found, rule)[0], source="")

    return {ListRules: listed, ShowRule: shown, EnableRule: enabled, DisableRule: disabled}


def _policy_gathers(settings: Callable[[], Settings], database: Store) -> dict[Verb, Gather]:
    """The functions that read policies and inventories, for questions about policy."""
    hint = "check the file systems of the policy and the inventory"

    def judge(request: CheckPolicy) -> list[list[PolicyAnswer]]:
        with database.read() as tx:
            return policy_check.answers(request, settings(), tx, in_service=True)

    def read(request: ShowPolicy) -> PolicyInForce:
        with database.read() as tx:
            return policy_check.in_force(request, settings(), tx, in_service=True)

    async def checked(request: CheckPolicy) -> list[list[PolicyAnswer]]:
        return await _in_time(asyncio.to_thread(judge, request), "the policy and the inventory", hint)

    async def shown(request: ShowPolicy) -> PolicyInForce:
        return await _in_time(asyncio.to_thread(read, request), "the policy", hint)

    return {CheckPolicy: checked, ShowPolicy: shown}


async def _in_time[T](work: Awaitable[T], what: str, hint: str) -> T:
    try:
        async with asyncio.timeout(WITHIN):
            return await work
    except TimeoutError as error:
        raise unavailable(f"cannot read {what} within {WITHIN:g} seconds", hint) from error
