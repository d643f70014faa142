"""Which settings count only from a restart of the service on, and what counts until then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ftl2_enterprise.core.settings.model import Loaded

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings

NEED_RESTART = frozenset(
    {
        "store.path",
        "supervisor.socket",
        "supervisor.drain_timeout",
        "supervisor.heartbeat",
        "supervisor.hung_after",
        "log.directory",
    }
)
"""Keys that count when the service starts; all others count from a reload on, for a child from its next start on."""


def until_restart(read: Loaded, in_force: Loaded) -> Loaded:
    """What counts of settings that were read while the service runs: keys that need a restart stay as they are.

    Its processes must agree, for example, on the database; and any of them may be started again at any time.
    """
    settings = read.settings
    for key in NEED_RESTART:
        section, name = key.split(".")
        kept = replace(getattr(settings, section), **{name: _value(in_force.settings, key)})
        settings = replace(settings, **{section: kept})
    origins = {key: origin for key, origin in in_force.origins.items() if key in NEED_RESTART}
    return Loaded(settings=settings, origins={**read.origins, **origins}, renamed=read.renamed)


def after_restart(read: Loaded, in_force: Loaded) -> dict[str, Any]:
    """The values, by key, that settings which were read will have after a restart and do not have before."""
    values = {key: _value(read.settings, key) for key in sorted(NEED_RESTART)}
    return {key: value for key, value in values.items() if value != _value(in_force.settings, key)}


def _value(settings: Settings, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)
