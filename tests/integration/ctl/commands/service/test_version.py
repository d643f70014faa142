"""Versions."""

from __future__ import annotations

from ftl2_enterprise.protocol.service.verbs import (
    GetVersion,
    VersionInfo,
)


def test_the_versions_of_program_and_service(service, ctl):
    service.on(GetVersion, VersionInfo(program="9.9", protocol=1, python="3.13", schema="0002"))
    assert "service 9.9 (protocol 1, Python 3.13, schema 0002)" in ctl("version")[1]
    assert "service" not in ctl("--version")[1]
