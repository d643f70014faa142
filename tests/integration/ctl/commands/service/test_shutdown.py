"""Shutting the service down."""

from __future__ import annotations

from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    Shutdown,
)


def test_the_service_is_asked_to_end(service, ctl):
    service.on(Shutdown, lambda request: Accepted(message="now" if request.now else "draining"))
    assert ctl("shutdown")[1] == "draining\n"
    assert ctl("shutdown", "--now")[1] == "now\n"
