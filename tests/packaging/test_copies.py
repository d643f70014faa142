"""`init-db --dry-run` and `--backup`, by which a package prepares a migration of a database."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.cli import main as cli
from tests.packaging.databases import CURRENT, OLD, revision

if TYPE_CHECKING:
    from pathlib import Path

WOULD_CHANGE, USAGE = 7, 2


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "loops.db"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def test_a_dry_run_tries_a_copy_and_leaves_nothing(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = old.read_bytes()
    assert cli.main(["--db", str(old), "init-db", "--dry-run"]) == WOULD_CHANGE
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert "can be migrated" in capsys.readouterr().out


def test_a_backup_is_the_database_before(old: Path) -> None:
    assert cli.main(["--db", str(old), "init-db", "--backup"]) == 0
    assert revision(old) == CURRENT
    kept = old.with_name("loops.db.0001")
    assert revision(kept) == "0001"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert cli.main(["--db", str(old), "init-db", "--dry-run"]) == 0
    assert cli.main(["--db", str(old), "init-db", "--backup"]) == 0
    assert revision(kept) == "0001"


def test_copies_contain_what_is_not_checkpointed(old: Path) -> None:
    with closing(sqlite3.connect(old)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE handovers (anything)")
        writer.commit()
        # The migration makes a table of that name: it fails on the copy, which therefore has what is only in the log.
        assert cli.main(["--db", str(old), "init-db", "--dry-run"]) not in (0, WOULD_CHANGE)
        assert revision(old) == "0001"
    assert not [path for path in old.parent.iterdir() if "copy" in path.name]


def test_a_newer_database_is_refused_and_left(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = old.read_bytes()
    assert cli.main(["--db", str(old), "init-db", "--dry-run"]) == USAGE
    assert cli.main(["--db", str(old), "init-db", "--backup"]) == USAGE
    assert "newer than this program" in capsys.readouterr().err
    assert old.read_bytes() == before


def test_a_missing_database_would_be_created(tmp_path: Path) -> None:
    absent = tmp_path / "loops.db"
    assert cli.main(["--db", str(absent), "init-db", "--dry-run"]) == WOULD_CHANGE
    assert not absent.exists()
