"""Upgrades by apt that change the database: one that works, those that fail, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, install, try_to_install
from tests.acceptance.systemd.living import all_go_on
from tests.acceptance.systemd.manifests import GATE, HOME, MESSAGE
from tests.acceptance.systemd.pages import FILES, examples
from tests.acceptance.systemd.successors import CHANGES, FAILS, FAILS_IN_EARNEST, NEXT, PRESENT, successor

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

DATABASE = f"{HOME}/loops.db"
KEPT = f"{DATABASE}.{PRESENT}"
PAGE = Path("docs/operations/upgrade.md")


@pytest.fixture(scope="module")
def later(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that changes the database."""
    return successor(packages.present, tmp_path_factory.mktemp("later"), migration=CHANGES)


@pytest.fixture
def upgraded(running: Machine[Nspawn], later: Path) -> Machine[Nspawn]:
    """After an upgrade that has changed the database."""
    install(running, later)
    running.until_well()
    return running


def sql(machine: Machine[Nspawn], statement: str, database: str = DATABASE) -> str:
    """As the service's user, so that no file of root's is left beside it."""
    return machine.run("sqlite3", database, statement, user="ftl2-enterprise").strip()


def version(machine: Machine[Nspawn]) -> tuple[str, str]:
    """Which build is installed, and whether dpkg is content with it."""
    told = machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", "ftl2-enterprise").split()
    return told[0].rpartition("-")[2], told[1]


def at_rest(machine: Machine[Nspawn]) -> None:
    """Nobody writes: what is at work has a long action, what rests does so for an hour."""
    machine.run("ftl2ctl", "stop", "rests")
    machine.until_state("rests", "cancelled", "paused", "completed")


def test_a_change_of_the_database_loses_nothing(running: Machine[Nspawn], later: Path) -> None:
    before = {table: sql(running, f"SELECT count(*) FROM {table}") for table in ("loops", "actions", "prompts")}
    said = install(running, later).said
    assert [line for line in said.splitlines() if line.startswith("ftl2-enterprise: ")] == [
        "ftl2-enterprise: this version changes the database; the service is stopped for that",
        f"ftl2-enterprise: database as it was is kept: {KEPT}",
        f"ftl2-enterprise: database is up to date: {DATABASE}",
        "ftl2-enterprise: the service runs again",
    ]
    assert "Traceback" not in said
    assert version(running) == ("3", "ii")
    assert sql(running, "SELECT version_num FROM alembic_version") == NEXT
    assert sql(running, "SELECT motto FROM loops WHERE name = 'message'") == "once completed"
    assert sql(running, "SELECT count(*) FROM mottos") == before["loops"]
    # As it was, beside it, for nobody else to read.
    assert running.run("stat", "-c", "%U:%G %a", KEPT) == "ftl2-enterprise:ftl2-enterprise 600\n"
    assert sql(running, "SELECT version_num FROM alembic_version", KEPT) == PRESENT
    assert sql(running, "PRAGMA integrity_check", KEPT) == "ok"
    assert {table: sql(running, f"SELECT count(*) FROM {table}", KEPT) for table in before} == before
    assert not running.exists("/run/ftl2-enterprise.stopped")
    assert not running.exists("/run/ftl2-enterprise.upgraded")
    all_go_on(running)
    assert running.show("NRestarts") == "0"
    # What was in flight when the service stopped is not known, so the loop looked, and began the step again.
    assert [each["state"] for each in running.ctl("actions", "gated")["actions"]] == ["succeeded", "unknown"]
    assert not [line for line in running.journal() if "Traceback" in str(line["MESSAGE"])]


def test_a_stopped_service_changes_the_database_with_its_next_start(running: Machine[Nspawn], later: Path) -> None:
    running.run("systemctl", "stop", "ftl2-enterprise")
    install(running, later)
    assert not running.is_active()
    assert sql(running, "SELECT version_num FROM alembic_version") == PRESENT
    running.run("systemctl", "start", "ftl2-enterprise")
    assert sql(running, "SELECT version_num FROM alembic_version") == NEXT
    assert running.run("stat", "-c", "%U:%G %a", KEPT) == "ftl2-enterprise:ftl2-enterprise 600\n"
    assert sql(running, "SELECT version_num FROM alembic_version", KEPT) == PRESENT
    all_go_on(running)


def test_what_a_version_would_do_can_be_seen_before(running: Machine[Nspawn], later: Path) -> None:
    at_rest(running)
    before = sql(running, ".dump")
    running.engine.put(later, f"{FILES}/{later.name}")
    (look,) = [example for example in examples(PAGE) if "--dry-run" in example.script]
    dataclasses.replace(look, status=7, says=["can be brought up to date"]).follow(running)
    assert sql(running, ".dump") == before
    assert running.sh(f"ls {HOME} | grep -c 'loops.db[.][0c]' || :") == "0\n"


def test_a_version_that_cannot_change_the_database_leaves_all_as_it_was(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    at_rest(running)
    checksum = ("sh", "-c", f"cat {DATABASE} {DATABASE}-wal | sha256sum")
    bytes_before, content_before, pids = running.run(*checksum), sql(running, ".dump"), running.pids()
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS))
    assert refused.status != 0
    assert f"cannot put this version into service: it cannot use the database {DATABASE}." in refused.said
    assert "The database is as it was, and the version before still runs." in refused.said
    assert "CHECK constraint failed: loops_priority_range" in refused.said
    assert "Install the version before again, or a later one." in refused.said
    assert "Traceback" not in refused.said
    assert version(running) == ("3", "iF")
    assert running.run(*checksum) == bytes_before
    assert sql(running, "PRAGMA integrity_check") == "ok"
    assert sql(running, ".dump") == content_before
    assert running.pids() == pids
    assert running.sh(f"ls {HOME} | grep -c 'loops.db[.][0c]' || :") == "0\n"
    # It is refused again, as often as somebody tries, and the service of the version before goes on.
    again = running.try_("dpkg", "--configure", "--pending")
    assert again.status != 0
    assert "cannot put this version into service" in again.said
    # Loops too: those that are there, and one that comes only now.
    assert running.submit("late", MESSAGE.replace("message", "late"), "--wait", user="alice").status == 0
    running.run("ftl2ctl", "answer", "1", "hello", user="alice")
    running.until_state("greeting", "completed")
    # As it said.
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


def test_a_change_that_fails_though_it_was_rehearsed_is_undone(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS_IN_EARNEST))
    assert refused.status != 0
    assert "The database is as it was, and the service is stopped." in refused.said
    assert "the disk has gone" in refused.said
    assert "Traceback" not in refused.said
    assert not running.is_active()
    assert sql(running, "SELECT version_num FROM alembic_version") == PRESENT
    assert sql(running, ".dump") == sql(running, ".dump", KEPT)
    # It ran before, so it runs again with the version that can use the database.
    said = install(running, packages.previous, "--allow-downgrades").said
    assert "ftl2-enterprise: the service runs again" in said
    assert version(running) == ("1", "ii")
    all_go_on(running)
    assert not running.exists("/run/ftl2-enterprise.stopped")


def test_an_upgrade_that_failed_is_forgotten_with_the_package(
    running: Machine[Nspawn], packages: Packages, tmp_path: Path
) -> None:
    refused = try_to_install(running, successor(packages.present, tmp_path, migration=FAILS_IN_EARNEST))
    assert refused.status != 0
    running.run("apt-get", "remove", "--yes", "ftl2-enterprise")
    assert running.sh("ls /run | grep ftl2-enterprise[.] || :") == ""
    # It is a first installation again, which starts the service.
    install(running, packages.present)
    all_go_on(running)


def test_an_older_version_is_refused_and_the_newer_one_goes_on(
    upgraded: Machine[Nspawn], packages: Packages, later: Path
) -> None:
    pids = upgraded.pids()
    refused = try_to_install(upgraded, packages.previous, "--allow-downgrades")
    assert refused.status != 0
    assert "cannot put this version into service" in refused.said
    assert f"its schema {NEXT} is newer than this program" in refused.said
    assert "the version before still runs" in refused.said
    assert "Traceback" not in refused.said
    assert version(upgraded) == ("1", "iF")
    assert sql(upgraded, "SELECT version_num FROM alembic_version") == NEXT
    assert upgraded.pids() == pids
    install(upgraded, later)
    assert version(upgraded) == ("3", "ii")
    all_go_on(upgraded)


@pytest.mark.parametrize("was_tried", [False, True], ids=["at once", "after it was refused"])
def test_the_way_back_is_as_the_page_says(upgraded: Machine[Nspawn], packages: Packages, *, was_tried: bool) -> None:
    if was_tried:
        assert try_to_install(upgraded, packages.previous, "--allow-downgrades").status != 0
    # Since the upgrade something has happened, which the older version does not know of.
    assert upgraded.submit("late", MESSAGE.replace("message", "late"), "--wait").status == 0
    name = packages.previous.name
    upgraded.engine.put(packages.previous, f"{FILES}/{name}")
    (back,) = examples(PAGE, after="a change of the database")
    back.follow(upgraded)
    assert version(upgraded) == ("1", "ii")
    assert sql(upgraded, "SELECT version_num FROM alembic_version") == PRESENT
    all_go_on(upgraded)
    assert upgraded.show("NRestarts") == "0"
