"""Packages, from dpkg's status file and from what rpm and apt-cache print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing import packages, programs
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[[str, str], Path]

STATUS = """\
Package: nginx
Status: install ok installed
Version: 1.26.0-1
Architecture: amd64
Description: a server
 Package: not-a-package
 Status: install ok installed

Package: kept
Status: hold ok installed
Version: 2.0
Architecture: all

Package: removed
Status: deinstall ok config-files
Version: 3.0
Architecture: amd64

Package: libc6
Status: install ok installed
Version: 2.41-1
Architecture: amd64

Package: libc6
Status: install ok installed
Version: 2.41-2
Architecture: i386
"""


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS)
    monkeypatch.setattr(packages, "STATUS", str(status))


@pytest.mark.usefixtures("dpkg")
def test_installed_held_removed_and_unknown_packages() -> None:
    found = observe(
        "packages", {"name": ["nginx", "kept", "removed", "absent", "libc6", "libc6:i386", "not-a-package"]}
    )
    rows = found["packages"]
    assert (found["manager"], found["changed"]) == ("dpkg", False)
    assert rows["nginx"] == {
        "installed": True, "version": "1.26.0-1", "status": "install ok installed", "held": False,
        "architectures": ["amd64"],
    }  # fmt: skip
    assert (rows["kept"]["installed"], rows["kept"]["held"]) == (True, True)
    # The configuration is left: `dpkg -s` ends with 0 for it.
    assert (rows["removed"]["installed"], rows["removed"]["version"]) == (False, None)
    assert (rows["absent"]["installed"], rows["absent"]["status"]) == (False, "unknown")
    assert rows["libc6"]["architectures"] == ["amd64", "i386"]
    assert rows["libc6:i386"]["version"] == "2.41-2"
    assert rows["not-a-package"]["installed"] is False


@pytest.mark.usefixtures("dpkg")
def test_candidates_are_read_without_writing_a_cache(program: Program) -> None:
    calls = program(
        "apt-cache", "printf 'nginx:\\n  Installed: 1\\n  Candidate: 1.27\\nabsent:\\n  Candidate: (none)\\n'"
    )
    rows = observe("packages", {"name": ["nginx", "absent"], "candidates": True})["packages"]
    assert (rows["nginx"]["candidate"], rows["absent"]["candidate"]) == ("1.27", None)
    arguments = calls.read_text().splitlines()
    assert "Dir::Cache::pkgcache=" in arguments
    assert arguments[-3:] == ["--", "nginx", "absent"]


RPM = """
for last; do :; done
case $last in
  bash) printf 'bash\\t5.2-1.el9\\tx86_64\\n' ;;
  broken) echo 'rpmdb: damaged' >&2; exit 1 ;;
  *) echo "package $last is not installed"; exit 1 ;;
esac
"""


def test_rpm(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "STATUS", str(tmp_path / "absent"))
    calls = program("rpm", RPM)
    found = observe("packages", {"name": ["bash", "absent"]})
    assert found["manager"] == "rpm"
    assert (found["packages"]["bash"]["version"], found["packages"]["absent"]["installed"]) == ("5.2-1.el9", False)
    assert calls.read_text().splitlines()[-2:] == ["--", "absent"]
    assert observe("packages", {"name": "broken"})["msg"] == "cannot observe the package broken: rpmdb: damaged"
    assert "only where dpkg is used" in observe("packages", {"name": "bash", "candidates": True})["msg"]


def test_a_host_with_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "STATUS", str(tmp_path / "absent"))
    monkeypatch.setattr(programs, "FOLDERS", (str(tmp_path),))
    assert (
        observe("packages", {"name": "bash"})["msg"] == "cannot observe packages: this host has neither dpkg nor rpm"
    )
