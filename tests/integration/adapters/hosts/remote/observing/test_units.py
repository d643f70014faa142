"""The state of units, from what systemctl prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.remote.observing import programs
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Program = Callable[[str, str], Path]

RUNNING = """cat <<'END'
Id=nginx.service
Description=A server = of pages
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
Result=success
MainPID=812
NRestarts=3
StateChangeTimestamp=Mon 2026-11-30 22:05:47 UTC
ExecMainStatus=0
FragmentPath=/lib/systemd/system/nginx.service
NeedDaemonReload=no
END"""


def test_a_running_unit(program: Program) -> None:
    calls = program("systemctl", RUNNING)
    found = observe("unit", {"name": "nginx"})
    assert found == {
        "changed": False, "name": "nginx.service", "exists": True, "description": "A server = of pages",
        "load": "loaded",
        "state": "active", "sub_state": "running", "enabled": "enabled", "result": "success", "main_pid": 812,
        "restarts": 3,
        "exit_status": 0, "since": "2026-11-30T22:05:47Z", "file": "/lib/systemd/system/nginx.service",
        "needs_reload": False,
    }  # fmt: skip
    arguments = calls.read_text().splitlines()
    assert arguments[:2] == ["show", "--no-pager"]
    assert arguments[-2:] == ["--", "nginx.service"]


def test_a_unit_that_does_not_exist_is_a_result(program: Program) -> None:
    program(
        "systemctl",
        "printf 'Id=x.service\\nLoadState=not-found\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n'",
    )
    found = observe("unit", {"name": "x"})
    assert (found["exists"], found["state"], found["main_pid"], found["since"]) == (False, "inactive", None, None)


def test_without_a_bus_the_state_is_not_known(program: Program) -> None:
    program("systemctl", "echo 'Failed to connect to bus: Host is down' >&2; exit 1")
    found = observe("unit", {"name": "nginx"})
    assert found["failed"]
    assert found["msg"] == "cannot observe the unit nginx.service: Failed to connect to bus: Host is down"


def test_in_a_chroot_nothing_is_printed_and_nothing_is_assumed(program: Program) -> None:
    program("systemctl", "echo \"Running in chroot, ignoring command 'show'\" >&2")
    assert observe("unit", {"name": "nginx"})["msg"].endswith("systemctl printed no state of it")


def test_a_host_without_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "FOLDERS", (str(tmp_path),))
    assert observe("unit", {"name": "nginx"})["msg"] == (
        "cannot observe the unit nginx.service: this host has no systemctl"
    )


def test_loaded_units_by_state_type_and_pattern(program: Program) -> None:
    blocks = [
        ("nginx.service", "failed"), ("ssh.service", "active"), ("a.timer", "failed"),
        ("nginx-exporter.service", "failed"),
    ]  # fmt: skip
    text = "\\n".join(f"Id={name}\\nLoadState=loaded\\nActiveState={state}\\nSubState=x\\n" for name, state in blocks)
    calls = program("systemctl", f"printf '{text}'")
    found = observe("units", {"state": "failed", "type": "service", "pattern": "nginx*"})
    assert [one["name"] for one in found["units"]] == ["nginx-exporter.service", "nginx.service"]
    assert found["count"] == 2
    assert observe("units", {"limit": 1})["count"] == 4
    assert calls.read_text().splitlines().count("*") == 2
