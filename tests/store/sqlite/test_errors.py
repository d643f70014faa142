"""Locked, full and read-only: what SQLite reports becomes a problem with a code."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import locked_by_another_process, loop_names, spec
from tests.support.data.problems import refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


def test_a_database_locked_by_another_process_is_unavailable(db: Store, path: Path) -> None:
    with locked_by_another_process(path):
        with refused(Code.UNAVAILABLE, f"cannot write the database {path}", "locked by another process"), db.write():
            pytest.fail("nothing may run without the lock")
        assert loop_names(db) == set()
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert loop_names(db) == {"web"}


def test_a_database_locked_during_its_creation_is_unavailable(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with locked_by_another_process(path), refused(Code.UNAVAILABLE, "cannot open", "locked by another process"):
        open_database(path, create=True, busy_timeout=0.1)
    open_database(path, create=True).close()


def test_a_full_database_is_unavailable(db: Store, path: Path) -> None:
    with db.write() as tx:
        loop_rows.create_loop(tx, spec("before"))
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        # Holds for this connection only, which the pool gives to the next transaction too.
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with refused(Code.UNAVAILABLE, str(path), "the disk is full"), db.write() as tx:
        for n in range(100):
            loop_rows.create_loop(tx, spec(f"loop-{n}", environment="x" * 2000))
    assert loop_names(db) == {"before"}
    with db.write() as tx:
        loop_rows.create_loop(tx, spec("after"))
    assert loop_names(db) == {"before", "after"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if mount is None or os.geteuid() != 0 or subprocess.run([mount, *options], check=False).returncode != 0:
        pytest.skip("needs to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_unavailable(small_disk: Path) -> None:
    path = small_disk / "loops.db"
    opened = open_database(path, create=True)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (small_disk_left(small_disk) - 32_768))
    with refused(Code.UNAVAILABLE, str(path)), opened.write() as tx:
        for n in range(300):
            loop_rows.create_loop(tx, spec(f"loop-{n}"))
    assert loop_names(opened) == set()
    ballast.unlink()
    with opened.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert loop_names(opened) == {"web"}
    opened.close()


def small_disk_left(disk: Path) -> int:
    left = os.statvfs(disk)
    return left.f_bavail * left.f_frsize


def test_creating_a_database_on_a_full_disk_is_unavailable(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * small_disk_left(small_disk))
    path = small_disk / "loops.db"
    with refused(Code.UNAVAILABLE, str(path)):
        open_database(path, create=True)
    (small_disk / "ballast").unlink()
    open_database(path, create=True).close()


def test_a_read_only_file_is_unavailable(db: Store, path: Path) -> None:
    with db.write() as tx:
        tx.connection.exec_driver_sql("PRAGMA query_only = ON")
    with refused(Code.UNAVAILABLE, "read-only", str(path)), db.write() as tx:
        loop_rows.create_loop(tx, spec())
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())


def test_a_read_only_directory_is_unavailable(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from ftl2_enterprise.core.problem import Problem\n"
        "from ftl2_enterprise.wiring.database import open_database\n"
        "os.setuid(65534) if os.geteuid() == 0 else None\n"
        "try:\n    open_database(pathlib.Path(sys.argv[1]), create=True)\n"
        "except Problem as problem:\n    print(problem.code, problem)"
    )
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and each.name.startswith("pytest"):
            each.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(closed / "loops.db")], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("unavailable cannot open the database"), done.stderr
    assert "may not write there" in done.stdout
