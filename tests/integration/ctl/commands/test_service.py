"""`ftl2ctl health`, `settings`, `reload`, `shutdown`, `upgrade` and `version`."""

from __future__ import annotations

import json
from typing import Any

from ftl2_enterprise.core.clock import iso
from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    GetHealth,
    GetSettings,
    GetVersion,
    Health,
    ProcessHealth,
    Reload,
    Reloaded,
    SettingLine,
    Shutdown,
    Upgrade,
    VersionInfo,
)
from tests.support import builders


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


def test_health_is_a_status(service, ctl):
    service.on(GetHealth, health())
    status, out, _ = ctl("health")
    assert status == 0
    assert out.startswith("the service is well: 12 running\n")
    service.on(GetHealth, health(ok=False, problems=["the writer does not answer"]))
    status, out, _ = ctl("health")
    assert status == 1
    assert "the writer does not answer" in out
    status, out, _ = ctl("health", "--json")
    assert status == 1
    assert {one["since"] for one in json.loads(out)["processes"]} == {iso(one.since) for one in health().processes}


def test_settings(service, ctl):
    lines = [
        SettingLine(key="loops.interval", value=60.0, origin="default"),
        SettingLine(key="log.level", value="info", origin="/etc/x"),
    ]
    service.on(GetSettings, lines)
    assert ctl("settings")[1].splitlines()[2].split() == ["log.level", "info", "/etc/x"]
    assert [one["key"] for one in json.loads(ctl("settings", "loops", "--json")[1])] == ["loops.interval"]
    status, _, err = ctl("settings", "loops.intervall")
    assert status == 2
    assert "did you mean loops.interval?" in err


def test_its_life(service, ctl):
    service.on(Shutdown, lambda request: Accepted(message="now" if request.now else "draining"))
    assert ctl("shutdown")[1] == "draining\n"
    assert ctl("shutdown", "--now")[1] == "now\n"
    service.on(Upgrade, Accepted(message="replacing itself"))
    assert ctl("upgrade")[1] == "replacing itself\n"
    service.on(Reload, Reloaded(changed=["log.level", "store.path"], need_restart=["store.path"]))
    out = ctl("reload")[1]
    assert "2 values changed: log.level, store.path" in out
    assert "only after a restart: store.path" in out


def test_versions(service, ctl):
    service.on(GetVersion, VersionInfo(program="9.9", protocol=1, python="3.13", schema="0002"))
    assert "service 9.9 (protocol 1, Python 3.13, schema 0002)" in ctl("version")[1]
    assert "service" not in ctl("--version")[1]
