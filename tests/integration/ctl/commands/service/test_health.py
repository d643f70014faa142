"""Service health."""

from __future__ import annotations

import json
from typing import Any

from ftl2_enterprise.core.clock import iso
from ftl2_enterprise.protocol.service.verbs import (
    GetHealth,
    Health,
    ProcessHealth,
)
from tests.support.data import builders


def health(**fields: Any) -> Health:
    given: dict[str, Any] = {
        "ok": True,
        "problems": [],
        "status": "12 running",
        "processes": [ProcessHealth(name="writer", pid=5, since=builders.ago(9), restarts=1)],
        "counts": {"running": 12},
        "writer_latency": 0.002,
        "looked_at": builders.ago(1),
        "started_at": builders.ago(100),
        "draining": False,
        "database": "/var/lib/x.db",
        "socket": "/run/x.sock",
    }
    return Health(**(given | fields))


def test_health_is_the_exit_status(service, ctl):
    service.on(GetHealth, health())
    status, out, _ = ctl("health")
    assert status == 0
    assert out.startswith("the service is healthy: 12 running\n")
    service.on(GetHealth, health(ok=False, problems=["the writer does not answer"]))
    status, out, _ = ctl("health")
    assert status == 1
    assert "the writer does not answer" in out
    status, out, _ = ctl("health", "--json")
    assert status == 1
    assert {one["since"] for one in json.loads(out)["processes"]} == {
        iso(one.since) for one in health().processes if one.since is not None
    }
