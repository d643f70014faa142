"""Reloading the settings."""

from __future__ import annotations

from ftl2_enterprise.protocol.service.verbs import (
    Reload,
    Reloaded,
)


def test_changed_settings_are_listed(service, ctl):
    service.on(Reload, Reloaded(changed=["log.level", "store.path"], need_restart=["store.path"]))
    out = ctl("reload")[1]
    assert "2 values changed: log.level, store.path" in out
    assert "effective only after a restart: store.path" in out


def test_nothing_changed(service, ctl):
    service.on(Reload, Reloaded(changed=[], need_restart=[]))
    assert ctl("reload")[1] == "settings and site policy reloaded: nothing changed\n"
