"""What the packages do with a running service, with stand-ins that say what they are asked."""

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

from ftl2_enterprise.store.version import REVISIONS
from ftl2_packaging import places

OLD = Path(__file__).parents[1] / "compat" / "data" / "loops-0001.db.gz"
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$TOLD"
case "$*" in
*is-active*service) test -e "$RUNS" ;;
*is-active*) false ;;
esac
"""
FTL2CTL = """#!/bin/sh
echo "ftl2ctl $*" >>"$TOLD"
case "$1" in
health) cat "$HEALTH" ;;
upgrade) test ! -e "$HEALTH.after" || cp "$HEALTH.after" "$HEALTH" ;;
esac
"""


@dataclass
class Host:
    """A directory with all that the script looks at."""

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
            "TOLD": str(self.directory / "told"),
            "RUNS": str(self.directory / "runs"),
            "HEALTH": str(self.directory / "health"),
        }
        return subprocess.run(
            [sys.executable, "-I", script, self.directory / "before"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def told(self) -> list[str]:
        """What was asked for, but for questions."""
        lines = (self.directory / "told").read_text().splitlines()
        return [line for line in lines if "is-active" not in line and "health" not in line]


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


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_service_that_does_not_run_is_left_alone(host: Host) -> None:
    (host.directory / "runs").unlink()
    assert host.upgrade().returncode == 0
    assert host.told() == []


def test_it_replaces_itself_when_nothing_stands_against_it(host: Host) -> None:
    host.be_healthy(after=True, control=2)
    assert host.upgrade().returncode == 0
    assert host.told() == ["ftl2ctl upgrade"]


def test_another_unit_needs_a_restart(host: Host) -> None:
    (host.directory / "unit").write_text("[Unit]\nDescription=another\n")
    assert host.upgrade().returncode == 0
    assert host.told() == ["systemctl restart ftl2-enterprise.service"]


def test_a_service_that_does_not_answer_is_restarted(host: Host) -> None:
    (host.directory / "health").unlink()
    assert host.upgrade().returncode == 0
    assert host.told() == ["systemctl restart ftl2-enterprise.service"]


def test_a_new_schema_is_migrated_between_stop_and_start_with_a_backup(host: Host) -> None:
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    done = host.upgrade()
    assert done.returncode == 0, done.stderr
    assert host.told() == ["systemctl stop ftl2-enterprise.service", "systemctl start ftl2-enterprise.service"]
    assert revision(host.database) == REVISIONS[-1]
    assert revision(host.database.with_name("loops.db.0001")) == "0001"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("CREATE TABLE handovers (anything)", "handovers"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer than this program"),
    ],
)
def test_a_database_that_cannot_be_used_is_untouched_and_the_service_goes_on(
    host: Host, spoil: str, reason: str
) -> None:
    """A migration that fails, and a downgrade."""
    host.database.write_bytes(gzip.decompress(OLD.read_bytes()))
    with closing(sqlite3.connect(host.database)) as connection:
        connection.execute(spoil)
        connection.commit()
    before = host.database.read_bytes()
    done = host.upgrade()
    assert done.returncode == 1
    assert f"cannot upgrade: this version cannot use the database {host.database}" in done.stderr
    assert "the version before still runs" in done.stderr
    assert "Traceback" not in done.stderr
    assert reason in done.stderr or "internal error" in done.stderr
    assert host.told() == []
    assert host.database.read_bytes() == before
    assert not list(host.directory.glob("loops.db.*"))
