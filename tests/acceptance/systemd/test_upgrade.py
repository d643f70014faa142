"""An upgrade by apt, from the build before: what ran continues, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.conftest import Packages, install
from tests.acceptance.systemd.manifests import HOME, MESSAGE
from tests.acceptance.systemd.next_version import successor
from tests.acceptance.systemd.workload import all_continue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def test_loops_continue_after_an_upgrade(running: Machine[Nspawn], packages: Packages) -> None:
    before = running.pids()
    output = install(running, packages.present).output
    assert "Traceback" not in output
    running.until_well()
    after = running.pids()
    # The service has executed itself anew, and the loop at work has not noticed.
    assert after["control"] != before["control"]
    assert after["root"] == before["root"]
    assert after["loop:gated"] == before["loop:gated"]
    assert running.run("dpkg-query", "-W", "-f", "${Version}", "ftl2-enterprise").endswith("-2")
    all_continue(running)
    assert running.show("NRestarts") == "0"
    assert [each["state"] for each in running.ctl("actions", "gated")["actions"]] == ["succeeded"]


def test_a_new_unit_file_is_in_effect_after_an_upgrade(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    before = running.show("MainPID")
    later = successor(packages.present, tmp_path, unit="[Service]\nTasksMax=16000\n")
    output = install(running, later).output
    assert "Traceback" not in output
    assert running.show("MainPID") != before
    assert running.show("TasksMax") == "16000"
    assert running.show("NRestarts") == "0"
    all_continue(running)


def test_an_upgrade_leaves_a_stopped_service_alone(outdated: Machine[Nspawn], packages: Packages) -> None:
    outdated.submit("message", MESSAGE, "--wait")
    outdated.run("systemctl", "disable", "--now", "ftl2-enterprise")
    install(outdated, packages.present)
    assert not outdated.is_active()
    assert outdated.try_("systemctl", "is-enabled", "ftl2-enterprise").out == "disabled\n"
    outdated.run("systemctl", "start", "ftl2-enterprise")
    assert outdated.loops()["message"]["state"] == "completed"


def test_an_upgrade_starts_a_service_that_has_failed(outdated: Machine[Nspawn], packages: Packages) -> None:
    outdated.write("/etc/ftl2-enterprise/conf.d/wrong.toml", "[log]\nlevel = 'loud'\n")
    assert outdated.try_("systemctl", "restart", "ftl2-enterprise").status != 0
    assert outdated.try_("systemctl", "is-failed", "ftl2-enterprise").out == "failed\n"
    # What is still wrong is no reason for which an upgrade fails.
    install(outdated, packages.present)
    outdated.run("rm", "/etc/ftl2-enterprise/conf.d/wrong.toml")
    install(outdated, packages.previous, "--allow-downgrades")
    outdated.until_well()


def test_settings_that_were_changed_are_kept_without_a_question(
    outdated: Machine[Nspawn], packages: Packages
) -> None:
    text = outdated.read("/etc/ftl2-enterprise/config.toml") + "\n[log]\nlevel = 'debug'\n"
    text = text.replace("\n[log]\n", "\n", 1) if text.count("\n[log]\n") == 2 else text
    outdated.write("/etc/ftl2-enterprise/config.toml", text)
    install(outdated, packages.present)
    assert outdated.read("/etc/ftl2-enterprise/config.toml") == text
    outdated.until_well()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(machine: Machine[Nspawn]) -> None:
    machine.submit("message", MESSAGE, "--wait")
    machine.run("systemctl", "stop", "ftl2-enterprise")
    machine.run(
        "sqlite3", f"{HOME}/loops.db", "UPDATE alembic_version SET version_num = '9999' WHERE version_num GLOB '0*'"
    )
    before = machine.run("sha256sum", f"{HOME}/loops.db")
    assert machine.try_("systemctl", "start", "ftl2-enterprise").status != 0
    # A retry will not help, so there is none.
    assert machine.show("Result") == "exit-code"
    assert machine.show("NRestarts") == "0"
    output = "".join(str(line["MESSAGE"]) for line in machine.journal())
    assert "cannot" in output
    assert "newer" in output
    assert "Traceback" not in output
    assert machine.run("sha256sum", f"{HOME}/loops.db") == before
