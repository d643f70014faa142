"""Opening the database, its transactions, and what becomes of it when the machine says no."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ftl2_enterprise.core.faults import VARIABLE, InjectedFault
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.facts import LoopPaused, LoopStarted
from ftl2_enterprise.store import events
from ftl2_enterprise.store.database import Store, open_store
from tests.support.database import locked_by_another_process, spec
from tests.support.facts import Noted, NotedAgain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.core.event import Event


def pragma(db: Store, name: str) -> object:
    with db.read() as tx:
        return tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def names(db: Store) -> set[str]:
    with db.read() as tx:
        return {loop.name for loop in loop_rows.list_loops(tx, finished=True)}


@contextmanager
def refused(code: Code, *words: str) -> Iterator[None]:
    with pytest.raises(Problem) as caught:
        yield
    assert caught.value.code is code
    assert caught.value.message.startswith("cannot ")
    for word in words:
        assert word in str(caught.value)


# --- opening -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_what_durability_rests_on(db: Store, name: str, value: object) -> None:
    assert pragma(db, name) == value


def test_waits_five_seconds_unless_told_otherwise(path: Path) -> None:
    for given, wanted in (({}, 5000), ({"busy_timeout": 1.5}, 1500)):
        opened = open_store(path, create=True, **given)
        assert pragma(opened, "busy_timeout") == wanted
        opened.close()


def test_nobody_else_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        opened = open_store(path, create=True)
        with opened.write() as tx:
            loop_rows.create_loop(tx, spec())
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == {"loops.db": 0o600, "loops.db-wal": 0o600, "loops.db-shm": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        opened.close()
    finally:
        os.umask(before)


def test_missing(path: Path) -> None:
    with refused(Code.NOT_FOUND, str(path), "does not exist", "init-db"):
        open_store(path, create=False)
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["with space?mode=memory#x.db", "100%.db", ":memory:", "ünï.db"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    opened = open_store(tmp_path / name, create=True)
    opened.close()
    assert (tmp_path / name).stat().st_size > 0
    open_store(tmp_path / name, create=False).close()


def test_an_empty_file_is_filled_only_on_request(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with refused(Code.INVALID, "it is empty", "init-db"):
        open_store(path, create=False)
    open_store(path, create=True).close()
    open_store(path, create=False).close()


def test_a_newer_schema_is_left_alone(db: Store, path: Path) -> None:
    with db.write() as tx:
        tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for create in (False, True):
        with refused(Code.INVALID, "9999", "newer", "upgrade"):
            open_store(path, create=create)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
    connection.close()
    before = other.read_bytes()
    for create in (False, True):
        with refused(Code.INVALID, "another program"):
            open_store(other, create=create)
    assert other.read_bytes() == before


def test_not_a_database(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("dear diary, " * 500)
    with refused(Code.INVALID, "it is not a database", str(other)):
        open_store(other, create=True)
    assert other.read_text() == "dear diary, " * 500


def test_a_directory(tmp_path: Path) -> None:
    with refused(Code.INVALID, "it is a directory"):
        open_store(tmp_path, create=True)


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused(Code.INVALID, "not a directory"):
        open_store(tmp_path / "file" / "loops.db", create=True)


def test_damaged(db: Store, path: Path) -> None:
    with db.write() as tx:
        for n in range(200):
            loop_rows.create_loop(tx, spec(f"loop-{n}"))
    db.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with refused(Code.INTERNAL, "it is damaged", str(path)):
        opened = open_store(path, create=False)
        names(opened)


def test_opening_again_does_not_load_alembic(db: Store, path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.store.database import open_store\n"
        "open_store(pathlib.Path(sys.argv[1]), create=True).close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0
    # And the program would notice: it does load it for a new database.
    assert subprocess.run([sys.executable, "-c", program, f"{path}.new"], check=False).returncode == 1


def test_processes_that_make_it_at_once(path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.store.database import open_store\n"
        "sys.stdin.readline()\nopen_store(pathlib.Path(sys.argv[1]), create=True).close()"
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
    open_store(path, create=False).close()


# --- transactions --------------------------------------------------------------------------------------------------


def test_all_or_nothing(db: Store) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012
        loop_rows.create_loop(tx, spec())
        raise ZeroDivisionError
    assert names(db) == set()
    with db.read() as tx:
        assert events.list_events(tx) == []


def test_time_stands_still_in_a_transaction(db: Store) -> None:
    with db.write() as tx:
        first, second = loop_rows.create_loop(tx, spec("a")), loop_rows.create_loop(tx, spec("b"))
    assert first.created_at == second.created_at == tx.now
    with db.write() as later:
        assert later.now > tx.now


def test_a_reader_sees_one_moment(db: Store) -> None:
    with db.read() as tx:
        assert loop_rows.list_loops(tx, finished=True) == []
        with db.write() as other:
            loop_rows.create_loop(other, spec())
        assert loop_rows.list_loops(tx, finished=True) == []
    assert names(db) == {"web"}


def test_a_reading_transaction_records_no_fact(db: Store) -> None:
    with db.read() as tx, pytest.raises(RuntimeError, match="cannot record"):
        tx.emit(Noted(), subject="")


def test_listeners_hear_what_was_committed_in_order(db: Store, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def fails(fact: Event) -> None:
        raise RuntimeError(fact.kind)

    db.listen(fails)
    remove = db.listen(heard.append)
    with caplog.at_level(logging.ERROR), db.write() as tx:
        tx.emit(LoopPaused(outcome=None, reason=None), subject="loop:1")
        tx.emit(LoopStarted(run=2, resumed=False, max_iterations=10), subject="loop:1")
        assert heard == []
    assert [fact.kind for fact in heard] == ["loop.paused", "loop.started"]
    assert [record.getMessage() for record in caplog.records] == [
        "a listener failed on loop.paused",
        "a listener failed on loop.started",
    ]
    with db.read() as reading:
        assert events.list_events(reading) == heard
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012
        tx.emit(Noted(), subject="loop:1")
        raise ZeroDivisionError
    remove()
    with db.write() as tx:
        tx.emit(Noted(), subject="loop:1")
    assert [fact.kind for fact in heard] == ["loop.paused", "loop.started"]


def test_a_listener_may_use_the_store(db: Store) -> None:
    def answer(fact: Event) -> None:
        if fact.kind == kind_of(Noted):
            with db.write() as tx:
                tx.emit(NotedAgain(), subject="")

    db.listen(answer)
    with db.write() as tx:
        tx.emit(Noted(), subject="")
    with db.read() as reading:
        assert [fact.kind for fact in events.list_events(reading)] == ["test.noted", "test.noted_again"]


@pytest.mark.parametrize(("point", "kept"), [("before-commit", set()), ("after-commit", {"web"})])
def test_a_fault_around_the_commit(db: Store, monkeypatch: pytest.MonkeyPatch, point: str, kept: set[str]) -> None:
    heard: list[Event] = []
    db.listen(heard.append)
    monkeypatch.setattr("ftl2_enterprise.core.faults._reached", Counter())
    monkeypatch.setenv(VARIABLE, f"{point}=raise")
    with pytest.raises(InjectedFault), db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert heard == []
    monkeypatch.delenv(VARIABLE)
    assert names(db) == kept


@pytest.mark.parametrize(("point", "kept"), [("before-commit", set()), ("after-commit", {"web"})])
def test_killed_around_the_commit(db: Store, path: Path, point: str, kept: set[str]) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.store.database import open_store\n"
        "from ftl2_enterprise.loops.rows import loops\nfrom ftl2_enterprise.protocol.loops.nouns import LoopSpec\n"
        "with open_store(pathlib.Path(sys.argv[1]), create=False).write() as tx:\n"
        "    loops.create_loop(tx, LoopSpec(name='web', desired_state='x'))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(path)], env={**os.environ, VARIABLE: f"{point}=kill"}, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert names(db) == kept


# --- when the machine says no --------------------------------------------------------------------------------------


def test_locked_by_another_process(db: Store, path: Path) -> None:
    with locked_by_another_process(path):
        with refused(Code.UNAVAILABLE, f"cannot write the database {path}", "locked by another process"), db.write():
            pytest.fail("nothing may run without the lock")
        assert names(db) == set()
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert names(db) == {"web"}


def test_locked_while_it_is_made(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with locked_by_another_process(path), refused(Code.UNAVAILABLE, "cannot open", "locked by another process"):
        open_store(path, create=True, busy_timeout=0.1)
    open_store(path, create=True).close()


def test_full(db: Store, path: Path) -> None:
    with db.write() as tx:
        loop_rows.create_loop(tx, spec("before"))
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        # Holds for this connection only, which the pool gives to the next transaction too.
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with refused(Code.UNAVAILABLE, str(path), "the disk is full"), db.write() as tx:
        for n in range(100):
            loop_rows.create_loop(tx, spec(f"loop-{n}", environment="x" * 2000))
    assert names(db) == {"before"}
    with db.write() as tx:
        loop_rows.create_loop(tx, spec("after"))
    assert names(db) == {"before", "after"}


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


def test_a_really_full_disk(small_disk: Path) -> None:
    path = small_disk / "loops.db"
    opened = open_store(path, create=True)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (small_disk_left(small_disk) - 32_768))
    with refused(Code.UNAVAILABLE, str(path)), opened.write() as tx:
        for n in range(300):
            loop_rows.create_loop(tx, spec(f"loop-{n}"))
    assert names(opened) == set()
    ballast.unlink()
    with opened.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert names(opened) == {"web"}
    opened.close()


def small_disk_left(disk: Path) -> int:
    left = os.statvfs(disk)
    return left.f_bavail * left.f_frsize


def test_making_it_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * small_disk_left(small_disk))
    path = small_disk / "loops.db"
    with refused(Code.UNAVAILABLE, str(path)):
        open_store(path, create=True)
    (small_disk / "ballast").unlink()
    open_store(path, create=True).close()


def test_read_only(db: Store, path: Path) -> None:
    with db.write() as tx:
        tx.connection.exec_driver_sql("PRAGMA query_only = ON")
    with refused(Code.UNAVAILABLE, "read-only", str(path)), db.write() as tx:
        loop_rows.create_loop(tx, spec())
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from ftl2_enterprise.core.problem import Problem\nfrom ftl2_enterprise.store.database import open_store\n"
        "os.setuid(65534) if os.geteuid() == 0 else None\n"
        "try:\n    open_store(pathlib.Path(sys.argv[1]), create=True)\n"
        "except Problem as problem:\n    print(problem.code, problem)"
    )
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and each.name.startswith("pytest"):
            each.chmod(0o755)
    said = subprocess.run(
        [sys.executable, "-c", program, str(closed / "loops.db")], capture_output=True, text=True, check=False
    )
    assert said.stdout.startswith("unavailable cannot open the database"), said.stderr
    assert "may not write there" in said.stdout


def test_a_store_becomes_that_of_another_database(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "first.db", create=True)) as first, first.write() as tx:
        loop_rows.create_loop(tx, spec("first"))
    with closing(open_store(tmp_path / "second.db", create=True)) as second:
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
