"""Opening a database: what it is created with, and which files are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import loop_names, spec
from tests.support.data.problems import refused

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


def pragma(db: Store, name: str) -> object:
    with db.read() as tx:
        return tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.mark.parametrize(("name", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_the_pragmas_for_durability_are_set(db: Store, name: str, value: object) -> None:
    assert pragma(db, name) == value


def test_the_default_busy_timeout_is_five_seconds(path: Path) -> None:
    options: list[tuple[dict[str, Any], int]] = [({}, 5000), ({"busy_timeout": 1.5}, 1500)]
    for given, expected in options:
        opened = open_database(path, create=True, **given)
        assert pragma(opened, "busy_timeout") == expected
        opened.close()


def test_other_users_cannot_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        opened = open_database(path, create=True)
        with opened.write() as tx:
            loop_rows.create_loop(tx, spec())
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == {"loops.db": 0o600, "loops.db-wal": 0o600, "loops.db-shm": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        opened.close()
    finally:
        os.umask(before)


def test_a_missing_database_is_not_created(path: Path) -> None:
    with refused(Code.NOT_FOUND, str(path), "does not exist", "init-db"):
        open_database(path, create=False)
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["with space?mode=memory#x.db", "100%.db", ":memory:", "ünï.db"])
def test_a_database_may_have_any_file_name(tmp_path: Path, name: str) -> None:
    opened = open_database(tmp_path / name, create=True)
    opened.close()
    assert (tmp_path / name).stat().st_size > 0
    open_database(tmp_path / name, create=False).close()


def test_an_empty_file_is_filled_only_on_request(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with refused(Code.INVALID, "it is empty", "init-db"):
        open_database(path, create=False)
    open_database(path, create=True).close()
    open_database(path, create=False).close()


def test_a_newer_schema_is_left_alone(db: Store, path: Path) -> None:
    with db.write() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num = '9999' WHERE version_num NOT LIKE 'loops%'"
        )
    for create in (False, True):
        with refused(Code.INVALID, "9999", "newer", "upgrade"):
            open_database(path, create=create)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
    connection.close()
    before = other.read_bytes()
    for create in (False, True):
        with refused(Code.INVALID, "another program"):
            open_database(other, create=create)
    assert other.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("dear diary, " * 500)
    with refused(Code.INVALID, "it is not a database", str(other)):
        open_database(other, create=True)
    assert other.read_text() == "dear diary, " * 500


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with refused(Code.INVALID, "it is a directory"):
        open_database(tmp_path, create=True)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused(Code.INVALID, "not a directory"):
        open_database(tmp_path / "file" / "loops.db", create=True)


def test_a_damaged_database_is_reported(db: Store, path: Path) -> None:
    with db.write() as tx:
        for n in range(200):
            loop_rows.create_loop(tx, spec(f"loop-{n}"))
    db.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with refused(Code.INTERNAL, "it is damaged", str(path)):
        opened = open_database(path, create=False)
        loop_names(opened)


def test_opening_again_does_not_load_alembic(db: Store, path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.wiring.database import open_database\n"
        "open_database(pathlib.Path(sys.argv[1]), create=True).close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0
    # And the program would notice: it does load it for a new database.
    assert subprocess.run([sys.executable, "-c", program, f"{path}.new"], check=False).returncode == 1


def test_concurrent_processes_create_one_database(path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.wiring.database import open_database\n"
        "sys.stdin.readline()\nopen_database(pathlib.Path(sys.argv[1]), create=True).close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(path)], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4
    open_database(path, create=False).close()


def test_a_store_becomes_that_of_another_database(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "first.db", create=True)) as first, first.write() as tx:
        loop_rows.create_loop(tx, spec("first"))
    with closing(open_database(tmp_path / "second.db", create=True)) as second:
        with second.read() as tx:
            assert loop_rows.list_loops(tx, finished=True) == []
        second.reopen(tmp_path / "first.db")
        with second.write() as tx:
            assert [loop.name for loop in loop_rows.list_loops(tx, finished=True)] == ["first"]
            assert tx.connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        with pytest.raises(Problem, match="it does not exist"):
            second.reopen(tmp_path / "third.db")
        (tmp_path / "empty.db").touch()
        with pytest.raises(Problem, match="it is empty"):
            second.reopen(tmp_path / "empty.db")
