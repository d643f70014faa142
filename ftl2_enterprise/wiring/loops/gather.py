"""Files that requests name: control lets a reader read them, because a disk may not respond, and files be endless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.loops.rules.files import RuleFile, find
from ftl2_enterprise.protocol.loops.hosts import HostKeys, TargetMatch
from ftl2_enterprise.protocol.loops.naming import check_name
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce
from ftl2_enterprise.protocol.loops.verbs import (
    CheckPolicy,
    DisableRule,
    EnableRule,
    FindHostKeys,
    FindTarget,
    ListRules,
    PreviewRollback,
    PreviewUpdate,
    RollbackLoop,
    ShowPolicy,
    ShowRule,
    SubmitLoop,
    UpdateLoop,
)
from ftl2_enterprise.wiring.loops import readings

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from ftl2_enterprise.protocol.loops.sent_files import SentFile
    from ftl2_enterprise.supervisor.control.dispatch import Gather, Prepare, Verb
    from ftl2_enterprise.supervisor.readers.messages import Reading

    class ReadFiles(Protocol):
        """The method `read` of `Readers`."""

        def __call__[Q, R](self, reading: Reading[Q, R], request: Q) -> Awaitable[R]:
            """As `Readers.read`."""
            ...


def prepares(read: ReadFiles) -> dict[Verb, Prepare]:
    """The functions that validate and complete a request before it is written."""

    async def submit(request: SubmitLoop) -> SubmitLoop:
        if request.spec.name:
            check_name(request.spec.name)
        spec = await read(readings.SUBMIT, SubmitLoop(spec=request.spec, files=request.files))
        return msgspec.structs.replace(request, spec=spec, files=needed(request.files, spec))

    async def update(request: UpdateLoop) -> UpdateLoop:
        found = await read(readings.UPDATE, request)
        files = needed(request.files, found.spec)
        return msgspec.structs.replace(request, spec=found.spec, files=files, reason=found.reason)

    async def rollback(request: RollbackLoop) -> RollbackLoop:
        return msgspec.structs.replace(request, reason=(await read(readings.ROLLBACK, request)).reason)

    def needed(files: list[SentFile], spec: LoopSpec) -> list[SentFile]:
        return [file for file in files if file.path in spec.files]

    return {SubmitLoop: submit, UpdateLoop: update, RollbackLoop: rollback}


def gathers(read: ReadFiles) -> dict[Verb, Gather]:
    """The functions that read files for the verbs of rules, policy, keys and names of hosts, and for previews."""

    async def listed(request: ListRules) -> list[RuleFile]:
        return await read(readings.LIST_RULES, request)

    async def shown(request: ShowRule) -> list[RuleFile]:
        return await read(readings.LIST_RULES, ListRules())

    async def enabled(request: EnableRule) -> RuleFile:
        return without_source(await read(readings.LIST_RULES, ListRules()), request.rule)

    async def disabled(request: DisableRule) -> RuleFile:
        return without_source(await read(readings.LIST_RULES, ListRules()), request.rule)

    def without_source(found: list[RuleFile], rule: str) -> RuleFile:
        return msgspec.structs.replace(find(found, rule)[0], source="")

    async def checked(request: CheckPolicy) -> list[list[PolicyAnswer]]:
        return await read(readings.CHECK_POLICY, request)

    async def policy_shown(request: ShowPolicy) -> PolicyInForce:
        return await read(readings.SHOW_POLICY, request)

    async def host_keys(request: FindHostKeys) -> HostKeys:
        return await read(readings.FIND_HOST_KEYS, request)

    async def target(request: FindTarget) -> TargetMatch:
        return await read(readings.FIND_TARGET, request)

    async def previewed(request: PreviewUpdate) -> LoopSpec:
        update = UpdateLoop(
            loop=request.loop,
            spec=request.spec,
            based_on=request.based_on,
            files=request.files,
            keeps=request.keeps,
        )
        return (await read(readings.UPDATE, update)).spec

    async def rollback_previewed(request: PreviewRollback) -> LoopSpec:
        rollback = RollbackLoop(loop=request.loop, to=request.to, based_on=request.based_on)
        return (await read(readings.ROLLBACK, rollback)).spec

    return {
        PreviewUpdate: previewed,
        PreviewRollback: rollback_previewed,
        ListRules: listed,
        ShowRule: shown,
        EnableRule: enabled,
        DisableRule: disabled,
        CheckPolicy: checked,
        ShowPolicy: policy_shown,
        FindHostKeys: host_keys,
        FindTarget: target,
    }
