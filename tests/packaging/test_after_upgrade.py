"""What the packages do with a running service, with stand-ins that record their arguments."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ftl2_packaging import places
from tests.packaging.databases import CURRENT, OLD, revision

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$COMMANDS"
case "$*" in
*is-active*service) test -e "$RUNS" ;;
*is-active*) false ;;
*is-failed*) test -e "$RUNS.failed" ;;
stop*) test ! -e "$RUNS.stuck" && rm -f "$RUNS" ;;
start*) touch "$RUNS" ;;
esac
"""
FTL2CTL = """#!/bin/sh
echo "ftl2ctl $*" >>"$COMMANDS"
case "$1" in
health) cat "$HEALTH" ;;
upgrade) test ! -e "$HEALTH.after" || cp "$HEALTH.after" "$HEALTH" ;;
esac
"""


@dataclass
class Host:
    """A directory with all that the script reads."""

    directory: Path

    @property
    def database(self) -> Path:
        return self.directory / "loops.db"

    def be_healthy(self, *, after: bool = False, control: int = 1) -> None:
        health = {"database": str(self.database), "processes": [{"name": "control", "pid": control}]}
        (self.directory / ("health.after" if after else "health")).write_text(json.dumps(health))

    def upgrade(self) -> subprocess.CompletedProcess[str]:
        script = places.PACKAGING / "scripts" / "after-upgrade"
        bin_folder = self.directory / "bin"
        environment = {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "FTL2_PROGRAMS": str(bin_folder),
            "FTL2_UNIT": str(self.directory / "unit"),
            "COMMANDS": str(self.directory / "commands"),
            "RUNS": str(self.directory / "runs"),
            "FTL2_STOPPED": str(self.directory / "stopped"),
            "HEALTH": str(self.directory / "health"),
        }
        return subprocess.run(
            [sys.executable, "-I", script, self.directory / "before"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def commands(self) -> list[str]:
        """What was asked for, but for questions."""
        lines = (self.directory / "commands").read_text().splitlines()
        return [line for line in lines if "--quiet is-" not in line and "health" not in line]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """With a service that runs, whose unit is as it was, and a database of the present schema."""
    host = Host(tmp_path)
    (tmp_path / "bin").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("ftl2ctl", FTL2CTL)):
        program = tmp_path / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    (tmp_path / "bin" / "ftl2-enterprise").symlink_to(Path(sys.executable).parent / "ftl2-enterprise")
    (tmp_path / "unit").write_text("[Unit]\n")
    (tmp_path / "before").write_text(f"{hashlib.sha256(b'[Unit]\n').hexdigest()}  unit\n")
    (tmp_path / "runs").touch()
    host.be_healthy()
    created = subprocess.run(
        [tmp_path / "bin" / "ftl2-enterprise", "--db", host.database, "init-db"], capture_output=True, check=False
    )
    assert created.returncode == 0
    return host


def test_a_service_that_does_not_run_is_left_alone(host: Host) -> None:
    (host.directory / "runs").unlink()
    assert host.upgrade().returncode == 0
    assert host.commands() == []


def test_a_service_that_has_failed_is_tried_with_the_new_version(host: Host) -> None:
    (host.directory / "runs").rename(host.directory / "runs.failed")
    assert host.upgrade().returncode == 0
    assert host.commands() == ["systemctl start ftl2-enterprise.service"]


def test_the_service_replaces_itself_if_nothing_prevents_it(host: Host) -> None:
    host.be_healthy(after=True, control=2)
    assert host.upgrade().returncode == 0
    assert host.commands() == ["ftl2ctl upgrade"]


def test_another_unit_needs_a_restart(host: Host) -> None:
    (host.directory / "unit").write_text("[Unit]\nDescription=another\n")
    assert host.upgrade().returncode == 0
    assert host.commands() == ["systemctl restart ftl2-enterprise.service"]


def test_a_service_that_does_not_answer_is_restarted(host: Host) -> None:
    (host.directory / "health").unlink()
    assert host.upgrade().returncode == 0
    assert host.commands() == ["systemctl restart ftl2-enterprise.service"]


def test_a_new_schema_is_migrated_between_stop_and_start_with_a_backup(host: Host) -> None:
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    done = host.upgrade()
    assert done.returncode == 0, done.stderr
    assert host.commands() == ["systemctl stop ftl2-enterprise.service", "systemctl start ftl2-enterprise.service"]
    assert revision(host.database) == CURRENT
    kept = host.database.with_name("loops.db.0001")
    assert revision(kept) == "0001"
    assert done.stdout.splitlines() == [
        "ftl2-enterprise: this version migrates the database; the service is stopped for the migration",
        f"ftl2-enterprise: backup of the database: {kept}",
        f"ftl2-enterprise: database is up to date: {host.database}",
        "ftl2-enterprise: the service is running again",
    ]
    assert not (host.directory / "stopped").exists()


def test_a_service_that_does_not_stop_keeps_its_database(host: Host) -> None:
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    (host.directory / "runs.stuck").touch()
    done = host.upgrade()
    assert done.returncode == 1
    assert "cannot stop the service" in done.stderr
    assert revision(host.database) == "0001"
    assert not (host.directory / "stopped").exists()


def test_a_service_stopped_for_a_failed_migration_is_started_by_the_next_version(host: Host) -> None:
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    # What is kept cannot be put where a directory is: then the rehearsal works, and the change does not.
    kept = host.database.with_name("loops.db.0001")
    kept.mkdir()
    failed = host.upgrade()
    assert failed.returncode == 1
    assert "The database is unchanged, and the service is stopped." in failed.stderr
    assert revision(host.database) == "0001"
    again = host.upgrade()
    assert again.returncode == 1
    assert "the service is stopped" in again.stderr
    kept.rmdir()
    repaired = host.upgrade()
    assert repaired.returncode == 0, repaired.stderr
    assert revision(host.database) == CURRENT
    assert host.commands() == ["systemctl stop ftl2-enterprise.service", "systemctl start ftl2-enterprise.service"]
    # From now on it is left alone when an administrator stops it.
    (host.directory / "runs").unlink()
    assert host.upgrade().returncode == 0
    assert len(host.commands()) == 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            "CREATE TABLE handovers (anything)",
            "cannot migrate the database {database}: table handovers already exists (internal error ",
        ),
        ("UPDATE alembic_version SET version_num = '9999'", "newer than this program"),
    ],
)
def test_an_unusable_database_is_untouched_and_the_service_continues(host: Host, spoil: str, reason: str) -> None:
    """A migration that fails, and a downgrade."""
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    with closing(sqlite3.connect(host.database)) as connection:
        connection.execute(spoil)
        connection.commit()
    before = host.database.read_bytes()
    done = host.upgrade()
    assert done.returncode == 1
    assert f"cannot use this version: it cannot use the database {host.database}" in done.stderr
    assert "the previous version is still running" in done.stderr
    assert "Traceback" not in done.stderr
    assert reason.format(database=host.database) in done.stderr
    assert host.commands() == []
    assert host.database.read_bytes() == before
    assert not list(host.directory.glob("loops.db.*"))
