"""A store recognizes the files that it has open: nothing is committed where no later start finds it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import loop_names, spec
from tests.support.data.new_database import new_database
from tests.support.data.problems import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.database import Store


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def write(db: Store, name: str) -> None:
    with db.write() as tx:
        loop_rows.create_loop(tx, spec(name))


def another(path: Path) -> Path:
    """A valid database with other content."""
    made = path.with_name("another.db")
    with closing(new_database(made)) as store:
        write(store, "foreign")
    return made


def checkpoint(path: Path) -> None:
    """By another connection, as an administrator would."""
    with closing(sqlite3.connect(path)) as connection:
        _, frames, copied = connection.execute("PRAGMA wal_checkpoint").fetchone()
    assert frames == copied > 0


def command(*words: str | Path) -> None:
    """By another process: SQLite's locks end when their process closes any descriptor of the file."""
    subprocess.run([str(one) for one in words], check=True)


def remove(path: Path) -> None:
    command("rm", path)


def move_another_over_it(path: Path) -> None:
    command("mv", another(path), path)


def move_away_and_copy(path: Path) -> None:
    command("mv", path, path.with_name("old.db"))
    command("cp", another(path), path)


def copy_another_over_it(path: Path) -> None:
    command("cp", another(path), path)


def change_a_byte(path: Path) -> None:
    """The size stays the same."""
    command("dd", "if=/dev/urandom", f"of={path}", "bs=1", "count=1", "seek=5000", "conv=notrunc", "status=none")


def truncate(path: Path) -> None:
    command("truncate", "--size=0", path)


def truncate_to_a_page(path: Path) -> None:
    command("truncate", "--size=4096", path)


def remove_the_log(path: Path) -> None:
    command("rm", log_of(path))


def replace_the_log(path: Path) -> None:
    command("cp", log_of(path), path.with_name("fresh"))
    command("mv", path.with_name("fresh"), log_of(path))


def truncate_the_log(path: Path) -> None:
    command("truncate", "--size=0", log_of(path))


def remove_the_shared_memory(path: Path) -> None:
    command("rm", f"{path}-shm")


CHANGES: dict[Callable[[Path], None], str] = {
    remove: "the file was moved or removed while it was open",
    move_another_over_it: "another file has its name since it was opened",
    move_away_and_copy: "another file has its name since it was opened",
    copy_another_over_it: "another program has overwritten or truncated it",
    change_a_byte: "another program has overwritten or truncated it",
    truncate: "another program has overwritten or truncated it",
    truncate_to_a_page: "another program has overwritten or truncated it",
    remove_the_log: "was removed or replaced while it was open",
    replace_the_log: "was removed or replaced while it was open",
    remove_the_shared_memory: "was removed or replaced while it was open",
}


@pytest.mark.parametrize("is_checkpointed", [False, True])
@pytest.mark.parametrize(("change", "words"), CHANGES.items(), ids=[each.__name__ for each in CHANGES])
def test_nothing_is_written_after_a_change_of_the_files(
    db: Store, path: Path, change: Callable[[Path], None], words: str, *, is_checkpointed: bool
) -> None:
    write(db, "before")
    if is_checkpointed:
        checkpoint(path)
        write(db, "after")
    change(path)
    for attempt in range(3):
        with refused(Code.UNAVAILABLE, f"cannot write the database {path}: ", words):
            write(db, f"lost-{attempt}")
        with refused(Code.UNAVAILABLE, f"cannot write the database {path}: ", words):
            db.check_files()


def test_a_transaction_that_has_begun_is_refused_too(db: Store, path: Path) -> None:
    with refused(Code.UNAVAILABLE, "moved or removed", "put it back"), db.write() as tx:
        loop_rows.create_loop(tx, spec("web"))
        path.rename(path.with_name("elsewhere"))
    path.with_name("elsewhere").rename(path)
    assert loop_names(db) == set()


def test_a_database_that_is_put_back_can_be_written_again(db: Store, path: Path) -> None:
    write(db, "before")
    away = path.with_name("away")
    path.rename(away)
    with refused(Code.UNAVAILABLE, "moved or removed"):
        write(db, "lost")
    # What was opened before can still be read.
    assert loop_names(db) == {"before"}
    away.rename(path)
    db.check_files()
    write(db, "after")
    with closing(open_database(path, create=False)) as later:
        assert loop_names(later) == {"before", "after"}


def test_a_log_that_is_put_back_can_be_written_again(db: Store, path: Path) -> None:
    write(db, "before")
    away = path.with_name("away")
    log_of(path).rename(away)
    with refused(Code.UNAVAILABLE, "write-ahead log", "removed", "restart"):
        write(db, "lost")
    away.rename(log_of(path))
    write(db, "after")
    assert loop_names(db) == {"before", "after"}


def test_commits_in_a_removed_log_are_saved(db: Store, path: Path) -> None:
    """Also if the process is killed later: the log is closed with it."""
    write(db, "before")
    log_of(path).unlink()
    with refused(Code.UNAVAILABLE, "removed"):
        write(db, "lost")
    copy = path.with_name("copy.db")
    command("cp", path, copy)
    with closing(open_database(copy, create=False)) as later:
        assert loop_names(later) == {"before"}


def problem_of_a_second_connection(db: Store) -> str:
    """The message of the problem that another thread has, while the first connection is in use."""
    problems: list[str] = []

    def read() -> None:
        try:
            loop_names(db)
        except Problem as problem:
            problems.append(problem.message)

    with db.read():
        other = threading.Thread(target=read)
        other.start()
        other.join(20)
    (found,) = problems
    return found


def test_no_connection_is_made_to_another_file(db: Store, path: Path) -> None:
    write(db, "before")
    move_another_over_it(path)
    assert problem_of_a_second_connection(db) == (
        f"cannot open the database {path}: another file has its name since it was opened"
    )


def test_an_error_names_its_cause(db: Store, path: Path) -> None:
    write(db, "before")
    checkpoint(path)
    db.check_files()
    path.with_name("noise").write_bytes(b"\xff" * path.stat().st_size)
    command("cp", path.with_name("noise"), path)
    assert problem_of_a_second_connection(db) == (
        f"cannot open the database {path}: another program has overwritten or truncated it"
    )


def test_a_database_that_is_known_to_be_damaged_is_not_written(db: Store, path: Path) -> None:
    """The first error may be one of a read."""
    with db.read() as tx:
        page = tx.connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'loops'").scalar_one()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with closing(open_database(path, create=False)) as damaged:
        with refused(Code.INTERNAL, "it is damaged"):
            loop_names(damaged)
        for _ in range(2):
            with refused(Code.UNAVAILABLE, "cannot write the database", "it is damaged", "backup"), damaged.write():
                pass
        with refused(Code.UNAVAILABLE, "it is damaged"):
            damaged.check_files()


def test_checkpoints_of_other_processes_are_no_problem(db: Store, path: Path) -> None:
    """Nor are writes of them, a change of the mode and a copy."""
    program = (
        "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n"
        "connection.executescript('CREATE TABLE IF NOT EXISTS foreign_rows (n); INSERT INTO foreign_rows VALUES (1);"
        " PRAGMA wal_checkpoint({mode})')\nconnection.execute('VACUUM')\nconnection.close()"
    )
    for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
        for n in range(3):
            write(db, f"{mode}-{n}")
            command(sys.executable, "-c", program.format(mode=mode), path)
            db.check_files()
    command("chmod", "640", path)
    command("cp", path, path.with_name("copy.db"))
    write(db, "last")
    db.check_files()
    assert len(loop_names(db)) == 13


def test_threads_that_write_large_transactions_are_no_problem(db: Store) -> None:
    """Each transaction leads to a checkpoint, and the threads have a connection each."""
    problems: list[Problem] = []

    def write_much(number: int) -> None:
        try:
            for n in range(8):
                with db.write() as tx:
                    tx.run("CREATE TABLE IF NOT EXISTS much (body BLOB)")
                    tx.run("INSERT INTO much VALUES (randomblob(5000000))")
                write(db, f"loop-{number}-{n}")
                db.check_files()
        except Problem as problem:
            if "locked" not in problem.message:
                problems.append(problem)

    threads = [threading.Thread(target=write_much, args=(number,)) for number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
        assert not one.is_alive()
    assert problems == []


def test_the_target_of_a_link_is_recognized(tmp_path: Path) -> None:
    real = tmp_path / "data" / "real.db"
    link = tmp_path / "loops.db"
    link.symlink_to(real)
    with closing(new_database(real)) as first:
        write(first, "before")
    with closing(open_database(link, create=False)) as db:
        write(db, "after")
        link.unlink()
        with refused(Code.UNAVAILABLE, str(link), "moved or removed"):
            write(db, "lost")
        link.symlink_to(real)
        write(db, "last")
        log_of(real).unlink()
        with refused(Code.UNAVAILABLE, f"{real}-wal was removed"):
            write(db, "lost")


def test_a_reopened_store_recognizes_the_new_database(db: Store, path: Path) -> None:
    write(db, "before")
    second = another(path)
    db.reopen(second)
    remove(path)
    write(db, "after")
    remove(second)
    with refused(Code.UNAVAILABLE, f"cannot write the database {second}"):
        write(db, "lost")


def test_nothing_is_written_to_a_log_that_was_truncated(db: Store, path: Path) -> None:
    write(db, "before")
    truncate_the_log(path)
    with refused(Code.UNAVAILABLE, f"cannot write the database {path}: ", "was truncated or overwritten"):
        db.check_files()
    with refused(Code.UNAVAILABLE, f"cannot write the database {path}: ", "was truncated or overwritten"):
        write(db, "lost")


CRASH = """
import os, sys
from pathlib import Path
from ftl2_enterprise.loops.rows import loops
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import spec
db = open_database(Path(sys.argv[1]), create=False)
with db.write() as tx:
    loops.create_loop(tx, spec("crashed"))
os._exit(9)
"""


@pytest.mark.parametrize("change", [truncate, truncate_to_a_page])
def test_changes_are_recognized_after_a_crash_too(path: Path, change: Callable[[Path], None]) -> None:
    new_database(path).close()
    # Another process has it open, so that nothing but a recovery follows the crash.
    with closing(sqlite3.connect(path)) as observing:
        observing.execute("SELECT count(*) FROM loops").fetchone()
        assert subprocess.run([sys.executable, "-c", CRASH, path], check=False).returncode == 9
    with closing(sqlite3.connect(path)) as observing, closing(open_database(path, create=False)) as store:
        observing.execute("SELECT count(*) FROM loops").fetchone()
        write(store, "before")
        change(path)
        with refused(Code.UNAVAILABLE, "another program has overwritten or truncated it"):
            write(store, "lost")


def test_a_database_that_others_close_while_it_is_busy_can_be_written(path: Path) -> None:
    new_database(path).close()
    with closing(open_database(path, create=False, busy_timeout=0.1)) as store:
        store.check_files()
        other = sqlite3.connect(path, isolation_level=None)
        for _ in range(3):
            other.execute("BEGIN IMMEDIATE")
            other.execute("CREATE TABLE IF NOT EXISTS z (a)")
            other.execute("INSERT INTO z VALUES (1)")
            with refused(Code.UNAVAILABLE, "locked"):
                write(store, "busy")
            other.execute("COMMIT")
            # The last connection: it removes the log and the shared memory.
            other.close()
            other = sqlite3.connect(path, isolation_level=None)
        other.close()
        write(store, "after")
        store.check_files()
