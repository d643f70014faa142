"""The facts of the service itself. Their subject is empty; their actor made the request, or is null for a signal."""

from __future__ import annotations

from typing import ClassVar

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.fact import Fact, LogLevel, declare


class ServiceReloaded(Fact, frozen=True, tag="service.reloaded"):
    """The settings were reloaded. Without an actor, the request was a signal, as from `systemctl reload`."""

    changed: list[str]
    """Keys of the changed settings."""


class ServiceReloadFailed(Fact, frozen=True, tag="service.reload_failed"):
    """The settings could not be reloaded; the previous ones stay in force."""

    problem: str
    """Why."""


class ServiceShutdownAsked(Fact, frozen=True, tag="service.shutdown_asked"):
    """The service was asked to end."""

    now: bool
    """Without waiting for children to reach a safe point."""


class ServiceUpgradeAsked(Fact, frozen=True, tag="service.upgrade_asked"):
    """The service was asked to replace itself by the program that is installed now."""


class ServiceFrozen(Fact, frozen=True, tag="service.frozen"):
    """A person ordered that no effect of some kind begins. It was in force before this was recorded."""

    level: ClassVar[LogLevel] = "warning"

    freeze: str
    """The id of the freeze."""
    scope: FreezeScope
    """What it covers: everything, a subject, a target or a group of targets, or a kind of effect."""
    of: str
    """The subject, the target or its group, or the kind; empty for everything."""
    reason: str
    """Why."""
    until: Instant | None
    """When it ends without a request; null for never."""
    now: bool
    """Effects that had begun already were interrupted."""


class ServiceThawed(Fact, frozen=True, tag="service.thawed"):
    """A freeze ended. Without an actor, its time had ended."""

    wakes: ClassVar[bool] = True

    freeze: str
    """The id of the freeze."""
    over: float
    """Seconds over which what was held begins again; 0 for all at once."""


TITLE = "The service"
"""Title of the section in the reference."""

FACTS = declare(
    ServiceReloaded,
    ServiceReloadFailed,
    ServiceShutdownAsked,
    ServiceUpgradeAsked,
    ServiceFrozen,
    ServiceThawed,
)
"""Every fact of the service, in the order of the reference."""

type ServiceFact = (
    ServiceReloaded | ServiceReloadFailed | ServiceShutdownAsked | ServiceUpgradeAsked | ServiceFrozen | ServiceThawed
)
