"""The RPM as rpm installs, upgrades and erases it, on Debian's tree: its scripts ask the real service manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, builds
from tests.acceptance.systemd.manifests import HOME
from tests.acceptance.systemd.next_version import CHANGES, FAILS, NEXT, PRESENT, rpm_successor
from tests.acceptance.systemd.pages import FILES
from tests.acceptance.systemd.upgrade_checks import schema
from tests.acceptance.systemd.workload import all_continue, come_alive

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.systemd.machine import Done, Machine
    from tests.acceptance.systemd.nspawn import Nspawn

PRESETS = "enable ftl2-enterprise.service\ndisable ftl2-enterprise.socket\n"


@pytest.fixture(scope="module")
def rpms() -> Packages:
    return builds("ftl2-enterprise-*-{}.*.rpm")


@pytest.fixture
def fedora(bare: Machine[Nspawn]) -> Machine[Nspawn]:
    """With presets as a distribution has them that starts nothing unasked."""
    bare.write("/etc/systemd/system-preset/10-distribution.preset", PRESETS)
    return bare


@pytest.fixture
def running(fedora: Machine[Nspawn], rpms: Packages) -> Machine[Nspawn]:
    """The build before, with loops."""
    rpm(fedora, "--install", rpms.previous)
    come_alive(fedora)
    return fedora


def rpm(machine: Machine[Nspawn], action: str, package: Path, *options: str) -> Done:
    """As an administrator does it. What Debian has is not in the RPM database, so nothing is depended on."""
    file = f"{FILES}/{package.name}"
    machine.engine.put(package, file)
    done = machine.try_("rpm", action, "--nodeps", *options, file, seconds=120)
    assert done.status == 0, done
    assert "Traceback" not in done.output
    # A script that fails is only a warning.
    assert "scriptlet" not in done.output, done
    return done


def release(machine: Machine[Nspawn]) -> str:
    return machine.run("rpm", "-q", "--qf", "%{RELEASE}", "ftl2-enterprise")


def enabled(machine: Machine[Nspawn]) -> list[str]:
    units = ("ftl2-enterprise.service", "ftl2-enterprise.socket")
    return machine.try_("systemctl", "is-enabled", *units).out.split()


def test_an_installation_creates_users_follows_presets_and_starts_nothing(
    fedora: Machine[Nspawn], rpms: Packages
) -> None:
    rpm(fedora, "--install", rpms.present)
    assert fedora.run("id", "-un", "ftl2-enterprise") == "ftl2-enterprise\n"
    assert fedora.run("getent", "group", "ftl2").startswith("ftl2:")
    assert fedora.run("stat", "-c", "%U %a", "/run/ftl2-enterprise") == "ftl2-enterprise 755\n"
    assert enabled(fedora) == ["enabled", "disabled"]
    assert not fedora.is_active()
    assert fedora.run("rpm", "-V", "--nodeps", "ftl2-enterprise") == ""
    # The units are known without another word.
    fedora.run("systemctl", "start", "ftl2-enterprise")
    fedora.until_well()
    owners = fedora.run("stat", "-c", "%U %a", HOME, "/var/log/ftl2-enterprise").splitlines()
    assert owners == ["ftl2-enterprise 700", "ftl2-enterprise 750"]
    assert fedora.reboot() == "running"
    fedora.until_well()


def test_presets_that_disable_it_are_followed_and_not_asked_again(fedora: Machine[Nspawn], rpms: Packages) -> None:
    fedora.write("/etc/systemd/system-preset/10-distribution.preset", "disable *\n")
    rpm(fedora, "--install", rpms.previous)
    assert enabled(fedora) == ["disabled", "disabled"]
    fedora.run("systemctl", "enable", "ftl2-enterprise.socket")
    rpm(fedora, "--upgrade", rpms.present)
    assert enabled(fedora) == ["disabled", "enabled"]
    assert not fedora.is_active()


def test_loops_continue_after_an_upgrade(running: Machine[Nspawn], rpms: Packages) -> None:
    before = running.pids()
    rpm(running, "--upgrade", rpms.present)
    assert release(running) == "2"
    running.until_well()
    after = running.pids()
    # What the scripts of the build before do when it goes has stopped nothing.
    assert after["root"] == before["root"]
    assert after["control"] != before["control"]
    assert after["loop:gated"] == before["loop:gated"]
    assert not running.exists("/run/ftl2-enterprise.upgraded")
    assert enabled(running) == ["enabled", "disabled"]
    all_continue(running)
    assert running.show("NRestarts") == "0"


def test_an_upgrade_that_changes_the_database(running: Machine[Nspawn], rpms: Packages, tmp_path: Path) -> None:
    output = rpm(running, "--upgrade", rpm_successor(tmp_path, CHANGES)).output
    assert "ftl2-enterprise: this version migrates the database; the service is stopped for the migration" in output
    assert f"ftl2-enterprise: backup of the database: {HOME}/loops.db.{PRESENT}" in output
    assert "ftl2-enterprise: the service is running again" in output
    assert schema(running) == NEXT
    all_continue(running)
    # A downgrade is refused: the files are of the old version, what runs is not.
    pids = running.pids()
    output = rpm(running, "--upgrade", rpms.previous, "--oldpackage").output
    assert "cannot use this version" in output
    assert "newer than this program" in output
    assert running.pids() == pids
    assert schema(running) == NEXT


def test_an_upgrade_that_cannot_change_the_database(running: Machine[Nspawn], rpms: Packages, tmp_path: Path) -> None:
    pids = running.pids()
    output = rpm(running, "--upgrade", rpm_successor(tmp_path, FAILS)).output
    assert "cannot use this version" in output
    assert "the previous version is still running" in output
    assert "CHECK constraint failed: loops_priority_range" in output
    assert schema(running) == PRESENT
    assert running.pids() == pids
    rpm(running, "--upgrade", rpms.previous, "--oldpackage")
    assert release(running) == "1"
    running.until_well()
    assert running.pids()["root"] == pids["root"]
    all_continue(running)


def test_erasing_the_package_stops_the_service_and_keeps_its_data(running: Machine[Nspawn], rpms: Packages) -> None:
    erased = running.try_("rpm", "--erase", "ftl2-enterprise")
    assert erased.status == 0, erased
    assert "scriptlet" not in erased.output, erased
    assert running.try_("pgrep", "-u", "ftl2-enterprise").status == 1, "a process of the service is left"
    assert not running.exists("/usr/lib/ftl2-enterprise")
    assert running.show("LoadState") == "not-found"
    assert not running.exists("/etc/systemd/system/multi-user.target.wants/ftl2-enterprise.service")
    assert running.exists(f"{HOME}/loops.db")
    rpm(running, "--install", rpms.present)
    running.run("systemctl", "start", "ftl2-enterprise")
    assert running.loops()["message"]["state"] == "completed"
