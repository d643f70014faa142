"""Upgrading the service."""

from __future__ import annotations

from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    Upgrade,
)


def test_the_service_is_asked_to_replace_itself(service, ctl):
    service.on(Upgrade, Accepted(message="replacing itself"))
    assert ctl("upgrade")[1] == "replacing itself\n"
