"""The handlers of the service's own verbs."""

from __future__ import annotations

import asyncio
import logging
import platform
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Code, Problem, conflict, unavailable
from ftl2_enterprise.protocol.envelope import VERSION
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.service.facts import (
    ServiceReloaded,
    ServiceReloadFailed,
    ServiceShutdownAsked,
    ServiceUpgradeAsked,
)
from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    EventPage,
    FreezeEffects,
    FreezeRecord,
    GetHealth,
    GetSettings,
    GetVersion,
    Health,
    ListEvents,
    ProcessHealth,
    Reload,
    Reloaded,
    SettingLine,
    Shutdown,
    ThawEffects,
    Upgrade,
    VersionInfo,
)
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control import watches
from ftl2_enterprise.supervisor.control.root_messages import StopService, UpgradeService
from ftl2_enterprise.supervisor.control.service_units import note

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.service.facts import ServiceFact
    from ftl2_enterprise.supervisor.control.access import Peer
    from ftl2_enterprise.supervisor.control.dispatch import System
    from ftl2_enterprise.supervisor.control.root_messages import ToRoot
    from ftl2_enterprise.supervisor.control.service_state import ServiceState


NOTE_WITHIN = 2.0
"""Seconds."""

_log = logging.getLogger(__name__)


async def get_version(state: ServiceState, request: GetVersion, peer: Peer) -> VersionInfo:
    """What runs."""
    return VersionInfo(
        program=state.version, protocol=VERSION, python=platform.python_version(), schema=state.store.schema
    )


async def get_health(state: ServiceState, request: GetHealth, peer: Peer) -> Health:
    """How the service is."""
    reconciler = state.reconciler
    problems = state.problems()
    return Health(
        ok=not problems,
        problems=problems,
        status=reconciler.status,
        processes=[
            ProcessHealth(name=one.name, pid=one.pid, since=one.since, restarts=one.restarts)
            for one in state.processes
        ],
        counts={
            **reconciler.counts,
            "children": len(state.children.table),
            "connections": len(state.server.connections),
        },
        writer_latency=reconciler.writer_latency,
        looked_at=reconciler.last_pass_at,
        started_at=state.started_at,
        draining=state.draining,
        database=str(state.store.path),
        socket=state.address,
        frozen=state.freezes.in_force(),
        warnings=state.warnings(),
    )


async def get_settings(state: ServiceState, request: GetSettings, peer: Peer) -> list[SettingLine]:
    """Every setting in force."""
    values = values_of(state.settings)
    return [
        SettingLine(key=key, value=values.get(key), origin=origin, after_restart=state.after_restart.get(key))
        for key, origin in state.loaded.origins.items()
    ]


def values_of(settings: msgspec.Struct) -> dict[str, Any]:
    """Every setting by its key, `SECTION.NAME`."""
    sections: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    return {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}


async def reload(state: ServiceState, request: Reload, peer: Peer) -> Reloaded:
    """Read the settings again."""
    try:
        reloaded = state.reload()
    except Problem as problem:
        await noted(state, peer.actor, ServiceReloadFailed(problem=str(problem)))
        raise
    await noted(state, peer.actor, ServiceReloaded(changed=reloaded.changed))
    return reloaded


async def shutdown(state: ServiceState, request: Shutdown, peer: Peer) -> Accepted:
    """Have root drain and end the service."""
    # Asked even when it is draining: `now` makes that shorter. Noted first: root may be quick.
    await noted(state, peer.actor, ServiceShutdownAsked(now=request.now))
    _send(state, StopService(urgency="now" if request.now else "drain"))
    if request.now:
        return Accepted(
            message="the service ends now; what was in progress is unknown, and checked with the next start"
        )
    return Accepted(
        message=f"the service ends when every child has reached a safe point, at most "
        f"{state.settings.supervisor.drain_timeout:g} s from now"
    )


async def upgrade(state: ServiceState, request: Upgrade, peer: Peer) -> Accepted:
    """Have root replace itself by the program that is installed now."""
    if state.draining:
        raise conflict("cannot upgrade: the service is stopping", "start it again, which runs the new program")
    await noted(state, peer.actor, ServiceUpgradeAsked())
    _send(state, UpgradeService())
    return Accepted(message="the service replaces itself; every child continues from its next safe point")


def _send(state: ServiceState, message: ToRoot) -> None:
    if not state.root.send(message):
        raise unavailable(
            "cannot continue: the root of the service does not read its messages", "try again in a moment"
        )


async def freeze_effects(state: ServiceState, request: FreezeEffects, peer: Peer) -> FreezeRecord:
    """Put a freeze in force."""
    return await state.freezes.freeze(request, peer.actor, is_administrator=_is_administrator(state, peer))


async def thaw_effects(state: ServiceState, request: ThawEffects, peer: Peer) -> list[FreezeRecord]:
    """End freezes, if the caller may."""
    theirs = [one for one in state.freezes.selected(request) if one.by_administrator]
    if theirs and not _is_administrator(state, peer):
        raise Problem(
            Code.DENIED,
            f"cannot thaw {theirs[0].id}: an administrator froze it, and {peer.name} has no access to administer",
            hint="ask an administrator",
        )
    return await state.freezes.thaw(request, peer.actor)


def _is_administrator(state: ServiceState, peer: Peer) -> bool:
    access = state.guard.access_of(peer)
    return access is not None and access.includes(Access.ADMINISTER)


async def list_events(state: ServiceState, request: ListEvents, peer: Peer) -> EventPage:
    """Facts from the event log."""
    with state.store.read() as tx:
        return watches.page_of(tx, state.subjects, request)


async def noted(state: ServiceState, actor: str | None, fact: ServiceFact) -> None:
    """Record who asked for it, if that is known; what the database cannot take is no reason not to do it."""
    try:
        async with asyncio.timeout(NOTE_WITHIN):
            await state.writer.execute([note.call(fact)], actor=actor)
    except (Problem, TimeoutError) as error:
        _log.warning(
            "%s by %s, which could not be recorded: %s",
            kind_of(type(fact)),
            actor or "a signal",
            error or "the writer is silent",
        )


SYSTEM: dict[type[Any], System] = {
    GetVersion: get_version,
    GetHealth: get_health,
    GetSettings: get_settings,
    Reload: reload,
    Shutdown: shutdown,
    Upgrade: upgrade,
    FreezeEffects: freeze_effects,
    ThawEffects: thaw_effects,
    ListEvents: list_events,
}
