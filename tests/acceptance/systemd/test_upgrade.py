"""An upgrade by apt, from the build before: what ran goes on, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.conftest import Packages, install
from tests.acceptance.systemd.living import all_go_on
from tests.acceptance.systemd.manifests import HOME, MESSAGE
from tests.acceptance.systemd.successors import successor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def test_loops_go_on_after_an_upgrade(running: Machine[Nspawn], packages: Packages) -> None:
    before = running.pids()
    said = install(running, packages.present).said
    assert "Traceback" not in said
    running.until_well()
    after = running.pids()
    # The service has executed itself anew, and the loop at work has not noticed.
    assert after["control"] != before["control"]
    assert after["root"] == before["root"]
    assert after["loop:gated"] == before["loop:gated"]
    assert running.run("dpkg-query", "-W", "-f", "${Version}", "ftl2-enterprise").endswith("-2")
    all_go_on(running)
    assert running.show("NRestarts") == "0"
    assert [each["state"] for each in running.ctl("actions", "gated")["actions"]] == ["succeeded"]


def test_another_unit_is_in_force_after_an_upgrade(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    before = running.show("MainPID")
    later = successor(packages.present, tmp_path, unit="[Service]\nTasksMax=16000\n")
    said = install(running, later).said
    assert "Traceback" not in said
    assert running.show("MainPID") != before
    assert running.show("TasksMax") == "16000"
    assert running.show("NRestarts") == "0"
    all_go_on(running)


def test_an_upgrade_leaves_a_stopped_service_alone(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.previous)
    bare.submit("message", MESSAGE, "--wait")
    bare.run("systemctl", "disable", "--now", "ftl2-enterprise")
    install(bare, packages.present)
    assert not bare.is_active()
    assert bare.try_("systemctl", "is-enabled", "ftl2-enterprise").out == "disabled\n"
    bare.run("systemctl", "start", "ftl2-enterprise")
    assert bare.loops()["message"]["state"] == "completed"


def test_an_upgrade_starts_a_service_that_has_failed(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.previous)
    bare.write("/etc/ftl2-enterprise/conf.d/wrong.toml", "[log]\nlevel = 'loud'\n")
    assert bare.try_("systemctl", "restart", "ftl2-enterprise").status != 0
    assert bare.try_("systemctl", "is-failed", "ftl2-enterprise").out == "failed\n"
    # What is still wrong is no reason for which an upgrade fails.
    install(bare, packages.present)
    bare.run("rm", "/etc/ftl2-enterprise/conf.d/wrong.toml")
    install(bare, packages.previous, "--allow-downgrades")
    bare.until_well()


def test_settings_that_were_changed_are_kept_without_a_question(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.previous)
    text = bare.read("/etc/ftl2-enterprise/config.toml") + "\n[log]\nlevel = 'debug'\n"
    text = text.replace("\n[log]\n", "\n", 1) if text.count("\n[log]\n") == 2 else text
    bare.write("/etc/ftl2-enterprise/config.toml", text)
    install(bare, packages.present)
    assert bare.read("/etc/ftl2-enterprise/config.toml") == text
    bare.until_well()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.present)
    bare.submit("message", MESSAGE, "--wait")
    bare.run("systemctl", "stop", "ftl2-enterprise")
    bare.run("sqlite3", f"{HOME}/loops.db", "UPDATE alembic_version SET version_num = '9999'")
    before = bare.run("sha256sum", f"{HOME}/loops.db")
    assert bare.try_("systemctl", "start", "ftl2-enterprise").status != 0
    # It does not mend itself, so nobody tries again.
    assert bare.show("Result") == "exit-code"
    assert bare.show("NRestarts") == "0"
    said = "".join(str(line["MESSAGE"]) for line in bare.journal())
    assert "cannot" in said
    assert "newer" in said
    assert "Traceback" not in said
    assert bare.run("sha256sum", f"{HOME}/loops.db") == before
