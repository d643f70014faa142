"""The conformance suite notices a driver with a defect: each of these has one, and fails the check that is named."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast, override

import pytest
from sqlalchemy.dialects import sqlite

from ftl2_enterprise.core import problem
from ftl2_enterprise.store.sqlite import errors
from ftl2_enterprise.store.sqlite.driver import DataVersion, SqliteDriver
from ftl2_enterprise.store.sqlite.files import SqliteFiles
from tests.store.driver.conformance import databases, failures, files, schema_changes, statements, transactions
from tests.store.driver.conformance.suite import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from pathlib import Path

    from sqlalchemy import Insert, Table

    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.store.driver import Progress
    from tests.store.driver.conformance.suite import Check

BROKEN: list[tuple[type[SqliteDriver], Check]] = []


def fails(check: Check) -> Callable[[type[SqliteDriver]], type[SqliteDriver]]:
    """The check that must notice the defect."""

    def add(kind: type[SqliteDriver]) -> type[SqliteDriver]:
        BROKEN.append((kind, check))
        return kind

    return add


@fails(databases.a_missing_database_is_not_created_without_a_request)
class CreatesUnasked(SqliteDriver):
    @override
    def ensure_exists(self, path: Path, *, create: bool) -> None:
        super().ensure_exists(path, create=True)


@fails(databases.a_new_database_belongs_to_its_user_alone)
class ReadableByAll(SqliteDriver):
    @override
    def ensure_exists(self, path: Path, *, create: bool) -> None:
        super().ensure_exists(path, create=create)
        path.chmod(0o644)


@fails(databases.an_existing_database_is_left_as_it_is)
class StartsAgain(SqliteDriver):
    @override
    def ensure_exists(self, path: Path, *, create: bool) -> None:
        if create and path.is_file():
            self.discard(path)
        super().ensure_exists(path, create=create)


@fails(databases.a_path_that_cannot_be_a_database_is_invalid)
class TakesADirectory(SqliteDriver):
    @override
    def ensure_exists(self, path: Path, *, create: bool) -> None:
        if not path.is_dir():
            super().ensure_exists(path, create=create)


@fails(databases.the_stored_revisions_are_those_in_the_table)
class KnowsOneHead(SqliteDriver):
    @override
    def stored_revisions(self, path: Path) -> frozenset[str] | None:
        found = super().stored_revisions(path)
        return None if found is None else frozenset(sorted(found)[:1])


@fails(databases.an_unprepared_database_has_no_stored_revisions)
class RecognizesTheUnprepared(SqliteDriver):
    @override
    def stored_revisions(self, path: Path) -> frozenset[str] | None:
        try:
            with closing(self.connect(path, 0)) as connection:
                return frozenset(row[0] for row in connection.execute("SELECT version_num FROM alembic_version"))
        except sqlite3.Error:
            return None


@fails(databases.a_copy_has_what_is_committed_and_nothing_else)
class CopiesTheFileAlone(SqliteDriver):
    """Without the write-ahead log."""

    @override
    def copy(self, path: Path, target: Path, progress: Progress | None = None) -> None:
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(descriptor, path.read_bytes())
        os.close(descriptor)


@fails(databases.a_copy_reports_progress)
class CopiesSilently(SqliteDriver):
    @override
    def copy(self, path: Path, target: Path, progress: Progress | None = None) -> None:
        super().copy(path, target)


@fails(databases.nothing_is_left_of_a_discarded_database)
class LeavesTheLog(SqliteDriver):
    @override
    def discard(self, path: Path) -> None:
        path.unlink(missing_ok=True)


class Constant(DataVersion):
    @override
    def read(self) -> int | None:
        return 1


@fails(databases.the_commit_counter_changes_with_the_commits_of_others)
class CountsNothing(SqliteDriver):
    @override
    def commit_counter(self, path: Path) -> DataVersion:
        return Constant(path)


class AnyFiles(SqliteFiles):
    @override
    def recognize(self, doing: str) -> None:
        pass

    @override
    def check(self, connection: sqlite3.Connection | None, doing: str) -> None:
        pass


@fails(files.a_moved_database_is_recognized_when_it_is_put_back)
@fails(files.another_database_under_the_same_path_is_refused)
class AcceptsAnyFiles(SqliteDriver):
    @override
    def files(self, path: Path) -> SqliteFiles:
        return AnyFiles(path)


class NeverAgain(SqliteFiles):
    """It remembers that the database was moved."""

    @override
    def recognize(self, doing: str) -> None:
        try:
            super().recognize(doing)
        except problem.Problem as refusal:
            self.refusal = refusal
        if refusal := getattr(self, "refusal", None):
            raise refusal


@fails(files.a_moved_database_is_recognized_when_it_is_put_back)
class DoesNotRecover(SqliteDriver):
    @override
    def files(self, path: Path) -> SqliteFiles:
        return NeverAgain(path)


@fails(files.the_files_of_a_missing_database_are_its_orphans)
class KnowsNoOrphans(SqliteDriver):
    @override
    def orphans(self, path: Path) -> Sequence[Path]:
        return []


@fails(transactions.a_connection_begins_no_transaction_itself)
class BeginsItself(SqliteDriver):
    @override
    def connect(self, path: Path, patience: float) -> sqlite3.Connection:
        connection = super().connect(path, patience)
        connection.isolation_level = "DEFERRED"
        return connection


@fails(transactions.any_thread_may_use_a_connection)
class BoundToItsThread(SqliteDriver):
    @override
    def connect(self, path: Path, patience: float) -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=patience, isolation_level=None)


@fails(transactions.references_are_enforced)
class EnforcesNoReferences(SqliteDriver):
    @override
    def connect(self, path: Path, patience: float) -> sqlite3.Connection:
        connection = super().connect(path, patience)
        connection.execute("PRAGMA foreign_keys = OFF")
        return connection


@fails(transactions.a_commit_is_seen_and_survives_the_connection)
class NeverCommits(SqliteDriver):
    @override
    def commit(self, connection: sqlite3.Connection) -> None:
        connection.rollback()


@fails(transactions.a_rollback_undoes_everything)
class NeverRollsBack(SqliteDriver):
    @override
    def roll_back(self, connection: sqlite3.Connection) -> None:
        connection.commit()


@fails(transactions.a_reader_keeps_its_view_and_blocks_no_writer)
class ReadsWithoutATransaction(SqliteDriver):
    @override
    def begin(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        if writes:
            super().begin(connection, writes=True)

    @override
    def commit(self, connection: sqlite3.Connection) -> None:
        connection.commit()


@fails(transactions.a_reader_keeps_its_view_and_blocks_no_writer)
class HasNoLog(SqliteDriver):
    """Readers block the writer."""

    @override
    def prepare(self, connection: sqlite3.Connection, path: Path, patience: float) -> None:
        pass


@fails(transactions.a_writer_has_the_lock_from_the_start)
class LocksLate(SqliteDriver):
    @override
    def begin(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        super().begin(connection, writes=False)


@fails(transactions.a_writer_waits_for_the_lock)
class Impatient(SqliteDriver):
    @override
    def connect(self, path: Path, patience: float) -> sqlite3.Connection:
        return super().connect(path, 0)


@fails(transactions.the_tables_are_known_by_name)
class TakesAViewForATable(SqliteDriver):
    @override
    def table_names(self, connection: sqlite3.Connection) -> Collection[str]:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


@fails(schema_changes.an_id_is_given_once)
class CountsRows(SqliteDriver):
    """As the highest id that was given, it takes the highest that there is."""

    @override
    def last_id(self, connection: sqlite3.Connection, table: str) -> int:
        return connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]


@fails(schema_changes.an_id_is_given_once)
class ReturnsTheRowCount(SqliteDriver):
    @override
    def insert(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> int:
        return connection.execute(sql, values).rowcount


@contextmanager
def writing(driver: SqliteDriver, connection: sqlite3.Connection) -> Generator[None]:
    """A transaction that is undone by an exception."""
    driver.begin(connection, writes=True)
    try:
        yield
    except BaseException:
        driver.roll_back(connection)
        raise
    driver.commit(connection)


@fails(schema_changes.a_table_is_rebuilt_although_others_refer_to_it)
class EnforcesWhileRebuilding(SqliteDriver):
    @override
    @contextmanager
    def change_schema(self, connection: sqlite3.Connection, progress: Progress | None = None) -> Generator[None]:
        with writing(self, connection):
            yield


@fails(schema_changes.a_schema_change_that_loses_a_row_is_undone)
class ChecksNoReferences(SqliteDriver):
    @override
    @contextmanager
    def change_schema(self, connection: sqlite3.Connection, progress: Progress | None = None) -> Generator[None]:
        connection.execute("PRAGMA foreign_keys = OFF")
        with writing(self, connection):
            yield
        connection.execute("PRAGMA foreign_keys = ON")


@fails(schema_changes.a_schema_change_that_fails_is_undone)
class ChangesTheSchemaOutside(SqliteDriver):
    """Of a transaction."""

    @override
    @contextmanager
    def change_schema(self, connection: sqlite3.Connection, progress: Progress | None = None) -> Generator[None]:
        yield


@fails(schema_changes.a_schema_change_reports_progress_while_it_works)
class ReportsProgressAfterwards(SqliteDriver):
    @override
    @contextmanager
    def change_schema(self, connection: sqlite3.Connection, progress: Progress | None = None) -> Generator[None]:
        with super().change_schema(connection, progress):
            yield
        if progress is not None:
            connection.set_progress_handler(progress, 1_000)


@fails(statements.an_upsert_updates_the_named_columns_of_an_existing_row)
class ReplacesTheRow(SqliteDriver):
    @override
    def upsert(self, table: Table, *, key: Collection[str], update: Collection[str]) -> Insert:
        return cast("Any", table.insert().prefix_with("OR REPLACE"))


@fails(statements.insert_or_ignore_keeps_the_existing_row)
class IgnoresNothing(SqliteDriver):
    @override
    def insert_or_ignore(self, table: Table) -> Insert:
        return sqlite.insert(table)


@fails(failures.a_defect_of_the_program_is_not_explained)
class ExplainsEverything(SqliteDriver):
    @override
    def explain(self, error: BaseException, path: Path, doing: str) -> Problem | None:
        return super().explain(error, path, doing) or problem.unavailable(f"cannot {doing} the database {path}")


@fails(transactions.a_writer_has_the_lock_from_the_start)
class DoesNotKnowBusy(SqliteDriver):
    @override
    def explain(self, error: BaseException, path: Path, doing: str) -> Problem | None:
        return None if errors.primary_code(error) == sqlite3.SQLITE_BUSY else super().explain(error, path, doing)


@fails(failures.errors_of_the_file_system_are_explained)
class KnowsNoFileSystem(SqliteDriver):
    @override
    def explain(self, error: BaseException, path: Path, doing: str) -> Problem | None:
        return errors.explain(error, path, doing)


@fails(failures.an_error_of_the_system_spoils_the_connection)
class KeepsAnyConnection(SqliteDriver):
    @override
    def spoils_connection(self, error: BaseException) -> bool:
        return False


@pytest.mark.parametrize(("kind", "check"), BROKEN, ids=lambda value: value.__name__)
def test_a_defect_is_noticed(kind: type[SqliteDriver], check: Check, tmp_path: Path) -> None:
    # Any exception is a failure of the check, as it would be for a test.
    with pytest.raises(Exception) as failed:  # noqa: PT011 - see above
        check(kind(), tmp_path)
    assert not isinstance(failed.value, TypeError | AttributeError | NameError), "the defect is another one"


def test_each_check_is_in_the_suite_and_most_are_proven() -> None:
    proven = {check.__name__ for _, check in BROKEN}
    assert proven <= {check.__name__ for check in CHECKS}
    assert len(proven) >= 20
