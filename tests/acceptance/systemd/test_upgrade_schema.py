"""Upgrades by apt that change the database, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, install, try_to_install
from tests.acceptance.systemd.manifests import HOME, MESSAGE
from tests.acceptance.systemd.next_version import ADDED, CHANGES, NEXT, PRESENT, successor
from tests.acceptance.systemd.pages import FILES, examples
from tests.acceptance.systemd.upgrade_checks import DATABASE, KEPT, at_rest, schema, sql, version
from tests.acceptance.systemd.workload import all_continue

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

PAGE = Path("docs/how-to/upgrade.md")


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


def test_a_migration_loses_nothing(running: Machine[Nspawn], later: Path) -> None:
    before = {table: sql(running, f"SELECT count(*) FROM {table}") for table in ("loops", "actions", "prompts")}
    output = install(running, later).output
    assert [line for line in output.splitlines() if line.startswith("ftl2-enterprise: ")] == [
        "ftl2-enterprise: this version migrates the database; the service is stopped for the migration",
        f"ftl2-enterprise: backup of the database: {KEPT}",
        f"ftl2-enterprise: database is up to date: {DATABASE}",
        "ftl2-enterprise: the service is running again",
    ]
    assert "Traceback" not in output
    assert version(running) == ("3", "ii")
    assert schema(running) == NEXT
    assert sql(running, "SELECT motto FROM loops WHERE name = 'message'") == "once completed"
    assert sql(running, "SELECT count(*) FROM mottos") == before["loops"]
    # Unchanged, next to the database, and readable by no other user.
    assert running.run("stat", "-c", "%U:%G %a", KEPT) == "ftl2-enterprise:ftl2-enterprise 600\n"
    assert schema(running, KEPT) == PRESENT
    assert sql(running, "PRAGMA integrity_check", KEPT) == "ok"
    assert {table: sql(running, f"SELECT count(*) FROM {table}", KEPT) for table in before} == before
    assert not running.exists("/run/ftl2-enterprise.stopped")
    assert not running.exists("/run/ftl2-enterprise.upgraded")
    all_continue(running)
    assert running.show("NRestarts") == "0"
    # What was in flight when the service stopped is not known, so the loop observed, and began the step again.
    assert [each["state"] for each in running.ctl("actions", "gated")["actions"]] == ["succeeded", "unknown"]
    assert not [line for line in running.journal() if "Traceback" in str(line["MESSAGE"])]


def test_a_stopped_service_migrates_at_its_next_start(running: Machine[Nspawn], later: Path) -> None:
    running.run("systemctl", "stop", "ftl2-enterprise")
    install(running, later)
    assert not running.is_active()
    assert schema(running) == PRESENT
    running.run("systemctl", "start", "ftl2-enterprise")
    assert schema(running) == NEXT
    assert running.run("stat", "-c", "%U:%G %a", KEPT) == "ftl2-enterprise:ftl2-enterprise 600\n"
    assert schema(running, KEPT) == PRESENT
    all_continue(running)


def test_a_dry_run_shows_what_a_version_would_migrate(running: Machine[Nspawn], later: Path) -> None:
    at_rest(running)
    before = sql(running, ".dump")
    running.engine.put(later, f"{FILES}/{later.name}")
    (dry_run,) = [example for example in examples(PAGE) if "--dry-run" in example.script]
    dataclasses.replace(dry_run, status=7, prints=["can be migrated"]).follow(running)
    assert sql(running, ".dump") == before
    assert running.sh(f"ls {HOME} | grep -c 'loops.db[.][0c]' || :") == "0\n"


def test_an_older_version_is_refused_and_the_newer_one_continues(
    upgraded: Machine[Nspawn], packages: Packages, later: Path
) -> None:
    pids = upgraded.pids()
    refused = try_to_install(upgraded, packages.previous, "--allow-downgrades")
    assert refused.status != 0
    assert "cannot use this version" in refused.output
    assert f"its schema {ADDED} is newer than this program" in refused.output
    assert "the previous version is still running" in refused.output
    assert "Traceback" not in refused.output
    assert version(upgraded) == ("1", "iF")
    assert schema(upgraded) == NEXT
    assert upgraded.pids() == pids
    install(upgraded, later)
    assert version(upgraded) == ("3", "ii")
    all_continue(upgraded)


@pytest.mark.parametrize("was_tried", [False, True], ids=["at once", "after it was refused"])
def test_a_downgrade_works_as_documented(upgraded: Machine[Nspawn], packages: Packages, *, was_tried: bool) -> None:
    if was_tried:
        assert try_to_install(upgraded, packages.previous, "--allow-downgrades").status != 0
    # Since the upgrade something has happened, which the older version does not know of.
    assert upgraded.submit("late", MESSAGE.replace("message", "late"), "--wait").status == 0
    name = packages.previous.name
    upgraded.engine.put(packages.previous, f"{FILES}/{name}")
    (back,) = examples(PAGE, after="a change of the database")
    back.follow(upgraded)
    assert version(upgraded) == ("1", "ii")
    assert schema(upgraded) == PRESENT
    all_continue(upgraded)
    assert upgraded.show("NRestarts") == "0"
