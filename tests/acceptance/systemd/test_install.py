"""The package as apt installs, removes and purges it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.conftest import Packages, install
from tests.acceptance.systemd.manifests import HOME, MESSAGE

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def test_it_is_installed_without_network_and_runs(bare: Machine[Nspawn], packages: Packages) -> None:
    output = install(bare, packages.present)
    assert "Traceback" not in output.output
    assert bare.run("dpkg", "--verify", "ftl2-enterprise") == ""
    assert bare.run("id", "-un", "ftl2-enterprise") == "ftl2-enterprise\n"
    assert bare.run("getent", "group", "ftl2").startswith("ftl2:")
    owners = bare.run("stat", "-c", "%U %a %n", HOME, "/var/log/ftl2-enterprise", "/run/ftl2-enterprise").splitlines()
    assert owners == [
        f"ftl2-enterprise 700 {HOME}",
        "ftl2-enterprise 750 /var/log/ftl2-enterprise",
        "ftl2-enterprise 755 /run/ftl2-enterprise",
    ]
    assert bare.run("stat", "-c", "%U %a", "/etc/ftl2-enterprise/rules") == "root 755\n"
    # As Debian has it: the service is enabled and started, the socket is the administrator's choice.
    assert bare.is_active()
    assert bare.run("systemctl", "is-enabled", "ftl2-enterprise.service") == "enabled\n"
    assert bare.try_("systemctl", "is-enabled", "ftl2-enterprise.socket").out == "disabled\n"
    assert bare.show("NRestarts") == "0"
    assert bare.run("systemctl", "--failed", "--no-legend") == ""
    assert bare.ctl("health")["ok"] is True
    # No byte-code was left to be compiled, and none is written by root into the package.
    assert bare.run("find", "/usr/lib/ftl2-enterprise", "-newer", "/var/lib/dpkg/info/ftl2-enterprise.list") == ""


def test_the_packaged_settings_are_the_defaults(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.present)
    before = bare.run("ftl2-enterprise", "config", "show")
    bare.run("mv", "/etc/ftl2-enterprise/config.toml", "/var/tmp/")
    without = bare.run("ftl2-enterprise", "config", "show")
    assert before == without


def test_a_file_of_settings_that_was_changed_survives_removal(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.present)
    bare.run("systemctl", "start", "ftl2-enterprise")
    bare.write("/etc/ftl2-enterprise/config.toml", "[log]\nlevel = 'debug'\n")
    assert bare.submit("message", MESSAGE, "--wait").status == 0
    bare.run("apt-get", "remove", "--yes", "ftl2-enterprise")
    assert bare.try_("systemctl", "is-active", "ftl2-enterprise").out in {"inactive\n", "unknown\n"}
    assert bare.try_("pgrep", "-u", "ftl2-enterprise").status == 1, "a process of the service is left"
    assert not bare.exists("/usr/bin/ftl2ctl")
    assert not bare.exists("/usr/lib/ftl2-enterprise")
    for kept in (
        f"{HOME}/loops.db",
        f"{HOME}/message",
        "/var/log/ftl2-enterprise",
        "/etc/ftl2-enterprise/config.toml",
    ):
        assert bare.exists(kept), kept
    # Installed again, it continues with its data.
    install(bare, packages.present)
    bare.run("systemctl", "start", "ftl2-enterprise")
    assert bare.loops()["message"]["state"] == "completed"
    assert bare.ctl("settings", "log.level")[0]["value"] == "debug"


def test_purge_removes_everything_except_files_of_users(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.present)
    bare.write("/etc/ftl2-enterprise/rules/mine.yaml", "# a rule of mine\n")
    assert bare.submit("message", MESSAGE, "--wait").status == 0
    bare.run("apt-get", "purge", "--yes", "ftl2-enterprise")
    assert bare.try_("pgrep", "-u", "ftl2-enterprise").status == 1
    found = bare.sh("find / -xdev -path /proc -prune -o -name '*ftl2*' ! -name '*.deb' -print")
    assert found.split() == ["/etc/ftl2-enterprise"]
    assert bare.sh("find /etc/ftl2-enterprise -type f").split() == ["/etc/ftl2-enterprise/rules/mine.yaml"]
    assert bare.run("systemctl", "--failed", "--no-legend") == ""
