"""The settings of the service."""

from __future__ import annotations

import json

from ftl2_enterprise.protocol.service.verbs import (
    GetSettings,
    SettingLine,
)


def test_settings_with_their_origins(service, ctl):
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
