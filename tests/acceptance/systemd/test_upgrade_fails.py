"""Upgrades by apt that cannot migrate the database: what ran before can continue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.conftest import Packages, install, try_to_install
from tests.acceptance.systemd.manifests import GATE, HOME, MESSAGE
from tests.acceptance.systemd.next_version import FAILS, FAILS_IN_EARNEST, PRESENT, successor
from tests.acceptance.systemd.upgrade_checks import DATABASE, KEPT, at_rest, digest_of, schema, sql, version
from tests.acceptance.systemd.workload import all_continue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def test_a_version_that_cannot_migrate_the_database_changes_nothing(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    at_rest(running)
    bytes_before, content_before, pids = digest_of(running), sql(running, ".dump"), running.pids()
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS))
    assert refused.status != 0
    assert f"cannot use this version: it cannot use the database {DATABASE}." in refused.output
    assert "The database is unchanged, and the previous version is still running." in refused.output
    assert "CHECK constraint failed: loops_priority_range" in refused.output
    assert "Install the previous version again, or a later one." in refused.output
    assert "Traceback" not in refused.output
    assert version(running) == ("3", "iF")
    assert digest_of(running) == bytes_before
    assert sql(running, "PRAGMA integrity_check") == "ok"
    assert sql(running, ".dump") == content_before
    assert running.pids() == pids
    assert running.sh(f"ls {HOME} | grep -c 'loops.db[.][0c]' || :") == "0\n"
    # It is refused again, as often as it is tried, and the service of the version before continues.
    again = running.try_("dpkg", "--configure", "--pending")
    assert again.status != 0
    assert "cannot use this version" in again.output
    # Loops too: the existing ones, and a new one.
    assert running.submit("late", MESSAGE.replace("message", "late"), "--wait", user="alice").status == 0
    running.run("ftl2ctl", "answer", "1", "hello", user="alice")
    running.until_state("greeting", "completed")
    # As the message announced.
    install(running, packages.previous, "--allow-downgrades")
    assert version(running) == ("1", "ii")
    running.until_well()
    assert running.pids()["root"] == pids["root"]
    assert running.pids()["control"] != pids["control"]
    assert running.pids()["loop:gated"] == pids["loop:gated"]
    running.run("touch", GATE)
    running.until_state("gated", "completed")
    assert running.show("NRestarts") == "0"
    assert [each["state"] for each in running.ctl("actions", "gated")["actions"]] == ["succeeded"]
    install(running, packages.present)
    assert version(running) == ("2", "ii")


def test_a_migration_that_fails_after_a_successful_rehearsal_is_undone(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS_IN_EARNEST))
    assert refused.status != 0
    assert "The database is unchanged, and the service is stopped." in refused.output
    assert "the disk has gone" in refused.output
    assert "Traceback" not in refused.output
    assert not running.is_active()
    assert schema(running) == PRESENT
    assert sql(running, ".dump") == sql(running, ".dump", KEPT)
    # It ran before, so it runs again with the version that can use the database.
    output = install(running, packages.previous, "--allow-downgrades").output
    assert "ftl2-enterprise: the service is running again" in output
    assert version(running) == ("1", "ii")
    all_continue(running)
    assert not running.exists("/run/ftl2-enterprise.stopped")


def test_removing_the_package_removes_the_record_of_a_failed_upgrade(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS_IN_EARNEST))
    assert refused.status != 0
    running.run("apt-get", "remove", "--yes", "ftl2-enterprise")
    assert running.sh("ls /run | grep ftl2-enterprise[.] || :") == ""
    # It is a first installation again, which starts the service.
    install(running, packages.present)
    all_continue(running)
