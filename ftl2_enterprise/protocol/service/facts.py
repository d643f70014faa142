"""The facts of the service itself. Their subject is empty; their actor made the request, or is null for a signal."""

from __future__ import annotations

from ftl2_enterprise.protocol.fact import Fact, declare


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


TITLE = "The service"
"""Title of the section in the reference."""

FACTS = declare(ServiceReloaded, ServiceReloadFailed, ServiceShutdownAsked, ServiceUpgradeAsked)
"""Every fact of the service, in the order of the reference."""

type ServiceFact = ServiceReloaded | ServiceReloadFailed | ServiceShutdownAsked | ServiceUpgradeAsked
