"""What every driver must do, as checks: each takes a driver and an empty directory, and fails by an AssertionError.

They are functions and not tests, so that `test_broken_drivers.py` can execute them with drivers that have a defect.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, exc, text

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.store.database import Store, open_store
from ftl2_enterprise.store.dialects import append_only, ids_never_reused
from ftl2_enterprise.store.schema_version import VERSIONS
from ftl2_enterprise.wiring.migrations import branches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver

type Check = Callable[[Driver, Path], None]

CHECKS: list[Check] = []
PATIENCE = 0.3
LONG = 20.0

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("size", Integer),
    Column("body", LargeBinary),
    **ids_never_reused(),
)
parts = Table(
    "parts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("thing_id", Integer, ForeignKey("things.id"), nullable=False),
)
journal = Table("journal", metadata, Column("id", Integer, primary_key=True), Column("entry", Text))
append_only(journal)

INSERT = "INSERT INTO things (name, size) VALUES (?, ?)"


def check(function: Check) -> Check:
    """Add the function to the suite."""
    CHECKS.append(function)
    return function


# --- tools -------------------------------------------------------------------------------------------------------


def made(driver: Driver, directory: Path) -> Path:
    """A database with the tables of this file."""
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    engine = driver.engine(lambda: driver.connect(path, LONG))
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        driver.prepare(raw, path, LONG)
        with driver.change_schema(raw):
            metadata.create_all(connection)
    engine.dispose()
    return path


@contextmanager
def connected(driver: Driver, path: Path, patience: float = PATIENCE) -> Generator[Any]:
    with closing(driver.connect(path, patience)) as connection:
        yield connection


@contextmanager
def database(driver: Driver, directory: Path) -> Generator[tuple[Path, Any]]:
    """A path and a connection."""
    path = made(driver, directory)
    with connected(driver, path) as connection:
        yield path, connection


def write(driver: Driver, connection: Any, *names: str) -> None:
    driver.begin(connection, writes=True)
    for name in names:
        driver.execute(connection, INSERT, (name, 1))
    driver.commit(connection)


def names(driver: Driver, connection: Any) -> list[str]:
    return [row[0] for row in driver.execute(connection, "SELECT name FROM things ORDER BY id").fetchall()]


def compiled(driver: Driver, statement: Any, *columns: str) -> str:
    return str(statement.compile(dialect=driver.dialect, column_keys=list(columns)))


class Caught:
    """The error of the driver that a block has raised."""

    value: Exception


@contextmanager
def fails(driver: Driver) -> Generator[Caught]:
    """Like pytest.raises, for the errors of the driver."""
    caught = Caught()
    try:
        yield caught
    except driver.error as error:
        caught.value = error
    else:
        raise AssertionError("nothing was raised")


def explained(driver: Driver, caught: Caught, path: Path, doing: str) -> Problem:
    problem = driver.explain(caught.value, path, doing)
    assert problem is not None, f"{caught.value!r} was not explained"
    return problem


def problem_of(function: Callable[[], object]) -> Problem:
    try:
        function()
    except Problem as problem:
        return problem
    raise AssertionError("no problem was raised")


# --- databases ---------------------------------------------------------------------------------------------------


@check
def a_missing_database_is_not_created_without_a_request(driver: Driver, directory: Path) -> None:
    path = directory / "deep" / "some.db"
    problem = problem_of(lambda: driver.ensure_exists(path, create=False))
    assert problem.code is Code.NOT_FOUND
    assert problem.message == f"cannot open the database {path}: it does not exist"
    assert list(directory.iterdir()) == []


@check
def a_new_database_belongs_to_its_user_alone(driver: Driver, directory: Path) -> None:
    path = directory / "deep" / "some.db"
    before = os.umask(0)
    try:
        driver.ensure_exists(path, create=True)
        with connected(driver, path) as connection:
            driver.prepare(connection, path, PATIENCE)
            driver.execute(connection, "CREATE TABLE things (id INTEGER)")
            files = [each for each in path.parent.iterdir() if each.is_file()]
            assert path in files
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@check
def an_existing_database_is_left_as_it_is(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.ensure_exists(path, create=True)
        driver.ensure_exists(path, create=False)
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]


@check
def a_path_that_cannot_be_a_database_is_invalid(driver: Driver, directory: Path) -> None:
    (directory / "file").touch()
    for path in (directory, directory / "file" / "some.db"):
        for create in (False, True):
            assert problem_of(lambda p=path, c=create: driver.ensure_exists(p, create=c)).code in (
                Code.INVALID,
                Code.NOT_FOUND,
            )


@check
def the_stored_revisions_are_those_in_the_table(driver: Driver, directory: Path) -> None:
    assert driver.stored_revisions(directory / "missing.db") is None
    assert list(directory.iterdir()) == []
    with database(driver, directory) as (path, connection):
        assert driver.stored_revisions(path) is None
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
        assert driver.stored_revisions(path) == frozenset()
        for revision in ("a_0001", "b_0002"):
            driver.execute(connection, f"INSERT INTO {VERSIONS} VALUES (?)", (revision,))
        assert driver.stored_revisions(path) == {"a_0001", "b_0002"}
        assert driver.stored_revisions(path) == {"a_0001", "b_0002"}


@check
def an_unprepared_database_has_no_stored_revisions(driver: Driver, directory: Path) -> None:
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    with connected(driver, path) as connection:
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
        assert driver.stored_revisions(path) is None
        driver.prepare(connection, path, PATIENCE)
        assert driver.stored_revisions(path) == frozenset()


@check
def recognizing_a_database_loads_no_sqlalchemy(driver: Driver, directory: Path) -> None:
    kind = type(driver).__mro__[-2]
    code = (
        f"import sys, pathlib; from {kind.__module__} import {kind.__name__};"
        f"{kind.__name__}().stored_revisions(pathlib.Path(sys.argv[1])); print('sqlalchemy' in sys.modules)"
    )
    path = made(driver, directory)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@check
def a_copy_has_what_is_committed_and_nothing_else(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        with connected(driver, path) as other:
            driver.begin(other, writes=True)
            driver.execute(other, INSERT, ("uncommitted", 1))
            copy = directory / "copy.db"
            driver.copy(path, copy)
            driver.roll_back(other)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with connected(driver, copy) as copied:
            assert names(driver, copied) == ["one"]
            write(driver, copied, "two")
        assert names(driver, connection) == ["one"]


@check
def a_copy_reports_progress(driver: Driver, directory: Path) -> None:
    calls: list[int] = []
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.copy(path, directory / "copy.db", lambda: calls.append(1))
        with connected(driver, directory / "copy.db") as copied:
            assert names(driver, copied) == ["one"]
    assert calls


@check
def nothing_is_left_of_a_discarded_database(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.discard(path)
        assert list(directory.iterdir()) == []
    driver.discard(path)


@check
def the_commit_counter_changes_with_the_commits_of_others(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), closing(driver.commit_counter(path)) as counter:
        first = counter.read()
        assert first is not None
        assert counter.read() == first
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        assert counter.read() == first, "nothing was committed yet"
        driver.commit(connection)
        second = counter.read()
        assert second not in (None, first)
        assert counter.read() == second
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("two", 1))
        driver.roll_back(connection)
        assert counter.read() == second
        write(driver, connection, "three")
        assert counter.read() not in (None, first, second)


# --- connections and transactions --------------------------------------------------------------------------------


@check
def a_connection_begins_no_transaction_itself(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        assert not driver.in_transaction(connection)
        driver.execute(connection, INSERT, ("one", 1))
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]


@check
def any_thread_may_use_a_connection(driver: Driver, directory: Path) -> None:
    found: list[object] = []

    def use(connection: Any) -> None:
        try:
            found.append(names(driver, connection))
        except Exception as error:
            found.append(error)

    with database(driver, directory) as (_, connection):
        thread = threading.Thread(target=use, args=(connection,))
        thread.start()
        thread.join()
    assert found == [[]]


@check
def references_are_enforced(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        with fails(driver):
            driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (?)", (7,))
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (?)", (1,))
        with fails(driver):
            driver.execute(connection, "DELETE FROM things")


@check
def a_commit_is_seen_and_survives_the_connection(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        driver.begin(connection, writes=True)
        assert driver.in_transaction(connection)
        driver.execute(connection, INSERT, ("one", 1))
        with connected(driver, path) as other:
            assert names(driver, other) == []
            driver.commit(connection)
            assert not driver.in_transaction(connection)
            assert names(driver, other) == ["one"]
    with connected(driver, path) as later:
        assert names(driver, later) == ["one"]


@check
def a_rollback_undoes_everything(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        driver.roll_back(connection)
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        driver.roll_back(connection)
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert names(driver, other) == names(driver, connection) == []
            write(driver, other, "two")


@check
def a_reader_keeps_its_view_and_blocks_no_writer(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        write(driver, connection, "one")
        driver.begin(other, writes=False)
        assert names(driver, other) == ["one"]
        write(driver, connection, "two")
        assert names(driver, other) == ["one"]
        driver.commit(other)
        assert names(driver, other) == ["one", "two"]


@check
def a_writer_has_the_lock_from_the_start(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        driver.begin(connection, writes=True)
        before = time.monotonic()
        with fails(driver) as caught:
            driver.begin(other, writes=True)
        assert time.monotonic() - before >= PATIENCE * 0.9, "it did not wait"
        assert explained(driver, caught, path, "write").code is Code.UNAVAILABLE
        # Readers do not wait for the writer.
        assert names(driver, other) == []
        driver.commit(connection)
        write(driver, other, "one")


@check
def a_writer_waits_for_the_lock(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path, LONG) as other:
        driver.begin(connection, writes=True)
        begun = threading.Event()

        def release() -> None:
            begun.wait(LONG)
            driver.commit(connection)

        thread = threading.Thread(target=release)
        thread.start()
        threading.Timer(0.05, begun.set).start()
        try:
            write(driver, other, "one")
        finally:
            begun.set()
            thread.join()
        assert names(driver, other) == ["one"]


@check
def preparing_is_repeatable_and_lasts(driver: Driver, directory: Path) -> None:
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    failed: list[BaseException] = []

    def prepare() -> None:
        try:
            with connected(driver, path, LONG) as connection:
                driver.prepare(connection, path, LONG)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with connected(driver, path) as connection:
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
    assert driver.stored_revisions(path) == frozenset()


@check
def the_tables_are_known_by_name(driver: Driver, directory: Path) -> None:
    path = directory / "empty.db"
    driver.ensure_exists(path, create=True)
    with connected(driver, path) as connection:
        assert len(driver.table_names(connection)) == 0
    with database(driver, directory) as (_, connection):
        assert {"things", "parts", "journal"} <= set(driver.table_names(connection))
        driver.execute(connection, "CREATE VIEW sizes AS SELECT size FROM things")
        assert "sizes" not in driver.table_names(connection)


# --- ids ---------------------------------------------------------------------------------------------------------


@check
def an_id_is_given_once(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, things.insert(), "name")
    with database(driver, directory) as (_, connection):
        assert driver.last_id(connection, "things") == 0
        first = driver.insert(connection, sql, ("one",))
        second = driver.insert(connection, sql, ("two",))
        assert 0 < first < second == driver.last_id(connection, "things")
        found = driver.execute(connection, "SELECT id, name FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in found] == [(first, "one"), (second, "two")]
        driver.execute(connection, "DELETE FROM things")
        assert driver.last_id(connection, "things") == second
        assert driver.insert(connection, sql, ("three",)) == second + 1


@check
def an_id_that_was_rolled_back_was_not_given_to_a_row(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, things.insert(), "name")
    with database(driver, directory) as (_, connection):
        driver.begin(connection, writes=True)
        given = driver.insert(connection, sql, ("one",))
        driver.roll_back(connection)
        assert driver.insert(connection, sql, ("two",)) >= given
        assert names(driver, connection) == ["two"]


@check
def rows_of_an_append_only_table_stay(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.insert(connection, compiled(driver, journal.insert(), "entry"), ("first",))
        for sql in ("UPDATE journal SET entry = 'other'", "DELETE FROM journal"):
            with fails(driver):
                driver.execute(connection, sql)
        assert driver.execute(connection, "SELECT entry FROM journal").fetchone()[0] == "first"


# --- changing the schema -----------------------------------------------------------------------------------------


@check
def a_table_is_rebuilt_although_others_refer_to_it(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (1)")
        with driver.change_schema(connection):
            assert driver.in_transaction(connection)
            driver.execute(connection, "CREATE TABLE renewed (id INTEGER PRIMARY KEY, name TEXT)")
            driver.execute(connection, "INSERT INTO renewed SELECT id, name FROM things")
            driver.execute(connection, "DROP TABLE things")
            driver.execute(connection, "ALTER TABLE renewed RENAME TO things")
        assert not driver.in_transaction(connection)
        assert names(driver, connection) == ["one"]
        with fails(driver):
            driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (7)")


@check
def a_schema_change_that_loses_a_row_is_undone(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (1)")
        try:
            with driver.change_schema(connection):
                driver.execute(connection, "CREATE TABLE other (id INTEGER)")
                driver.execute(connection, "DELETE FROM things")
        except RuntimeError as error:
            lost = str(error)
        else:
            lost = ""
        assert "refer to rows that do not exist" in lost
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]
            assert "other" not in driver.table_names(other)
        with fails(driver):
            driver.execute(connection, "DELETE FROM things")


@check
def a_schema_change_that_fails_is_undone(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        try:
            with driver.change_schema(connection):
                driver.execute(connection, "CREATE TABLE other (id INTEGER)")
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert "other" not in driver.table_names(other)
            write(driver, other, "one")


@check
def a_schema_change_excludes_other_writers(driver: Driver, directory: Path) -> None:
    with (
        database(driver, directory) as (path, connection),
        connected(driver, path) as other,
        driver.change_schema(connection),
        fails(driver),
    ):
        driver.begin(other, writes=True)


@check
def a_schema_change_reports_progress_while_it_works(driver: Driver, directory: Path) -> None:
    calls: list[int] = []
    many = (
        "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 400000) "
        "SELECT max(n) FROM counted"
    )
    with database(driver, directory) as (_, connection):
        with driver.change_schema(connection, lambda: calls.append(1)):
            driver.execute(connection, many).fetchall()
            assert calls
        calls.clear()
        driver.execute(connection, many).fetchall()
    assert calls == []


# --- statements --------------------------------------------------------------------------------------------------


@check
def a_statement_returns_rows_and_counts(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.execute_many(connection, INSERT, [("one", 1), ("two", None), ("é ü", 2**63 - 1)])
        rows = driver.execute(connection, "SELECT name, size FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in rows] == [("one", 1), ("two", None), ("é ü", 2**63 - 1)]
        assert driver.execute(connection, "UPDATE things SET size = ? WHERE id > ?", (5, 1)).rowcount == 2
        assert driver.execute(connection, "DELETE FROM things WHERE id = ?", (9,)).rowcount == 0
        cursor = driver.execute(connection, "SELECT name FROM things WHERE id = ?", (1,))
        assert cursor.fetchone()[0] == "one"
        assert cursor.fetchone() is None


@check
def bytes_are_kept(driver: Driver, directory: Path) -> None:
    body = bytes(range(256)) * 3
    with database(driver, directory) as (_, connection):
        driver.insert(connection, compiled(driver, things.insert(), "name", "body"), ("one", body))
        assert bytes(driver.execute(connection, "SELECT body FROM things").fetchone()[0]) == body


@check
def an_upsert_updates_the_named_columns_of_an_existing_row(driver: Driver, directory: Path) -> None:
    statement = driver.upsert(things, key=["name"], update=["size"])
    sql = compiled(driver, statement, "name", "size", "body")
    with database(driver, directory) as (_, connection):
        driver.execute(connection, sql, ("one", 1, b"first"))
        driver.execute(connection, sql, ("two", 1, b"first"))
        driver.execute(connection, sql, ("one", 2, b"second"))
        rows = driver.execute(connection, "SELECT id, name, size, body FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in rows] == [(1, "one", 2, b"first"), (2, "two", 1, b"first")]


@check
def insert_or_ignore_keeps_the_existing_row(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, driver.insert_or_ignore(things), "name", "size")
    with database(driver, directory) as (_, connection):
        assert driver.execute(connection, sql, ("one", 1)).rowcount == 1
        assert driver.execute(connection, sql, ("one", 2)).rowcount == 0
        assert driver.execute(connection, "SELECT name, size FROM things").fetchall()[0][1] == 1


@check
def a_savepoint_undoes_a_part(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        driver.execute(connection, "SAVEPOINT work")
        driver.execute(connection, INSERT, ("two", 1))
        with fails(driver):
            driver.execute(connection, INSERT, ("one", 1))
        assert driver.in_transaction(connection)
        driver.execute(connection, "ROLLBACK TO work")
        driver.execute(connection, "RELEASE work")
        driver.commit(connection)
        assert names(driver, connection) == ["one"]


# --- errors ------------------------------------------------------------------------------------------------------


@check
def a_defect_of_the_program_is_not_explained(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        for sql in ("SELEKT 1", "SELECT * FROM nowhere", "INSERT INTO things (name) VALUES ('one')"):
            with fails(driver) as caught:
                driver.execute(connection, sql)
            assert driver.explain(caught.value, path, "write") is None
            assert not driver.spoils_connection(caught.value)
        assert driver.explain(ZeroDivisionError(), path, "write") is None
        assert not driver.spoils_connection(ZeroDivisionError())


@check
def a_file_of_another_kind_is_invalid(driver: Driver, directory: Path) -> None:
    path = directory / "notes.txt"
    path.write_text("dear diary, " * 500)
    assert driver.stored_revisions(path) is None
    with fails(driver) as caught, connected(driver, path) as connection:
        driver.table_names(connection)
    problem = explained(driver, caught, path, "open")
    assert (problem.code, problem.message) == (
        Code.INVALID,
        f"cannot open the database {path}: it is not a database",
    )
    assert path.read_text() == "dear diary, " * 500


@check
def errors_of_the_file_system_are_explained(driver: Driver, directory: Path) -> None:
    for number, code, words in (
        (28, Code.UNAVAILABLE, "the disk is full"),
        (13, Code.UNAVAILABLE, "may not write there"),
        (40, Code.INVALID, "too many levels"),
    ):
        problem = driver.explain(OSError(number, os.strerror(number)), directory / "some.db", "copy")
        assert problem is not None
        assert problem.code is code
        assert problem.message.startswith(f"cannot copy the database {directory / 'some.db'}: ")
        assert words in problem.message


@check
def an_error_of_the_system_spoils_the_connection(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        driver.begin(connection, writes=True)
        with fails(driver) as caught:
            driver.begin(other, writes=True)
        assert driver.spoils_connection(caught.value)


# --- the store with this driver ----------------------------------------------------------------------------------


@check
def the_store_works_with_the_driver(driver: Driver, directory: Path) -> None:
    path = directory / "loops.db"
    store = open_store(path, branches=branches(), create=True, busy_timeout=LONG, driver=driver)
    try:
        _use(store)
    finally:
        store.close()
    again = open_store(path, branches=branches(), create=False, driver=driver)
    with again.read() as tx:
        assert tx.connection.execute(text("SELECT digest, size FROM texts")).all() == [("a", 1)]
    again.close()


def _use(store: Store) -> None:
    assert isinstance(store.clock, SystemClock)
    with store.write() as tx:
        tx.connection.execute(text("INSERT INTO texts VALUES ('a', 1, '')"))
        assert tx.is_open
    try:
        with store.write() as tx:
            tx.run("INSERT INTO texts VALUES ('b', 1, '')")
            tx.run("INSERT INTO texts VALUES ('a', 1, '')")
    except exc.IntegrityError:
        pass
    else:
        raise AssertionError("a duplicate key was accepted")
    with store.read() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 1
