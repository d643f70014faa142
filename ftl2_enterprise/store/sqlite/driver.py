"""SQLite, as the store sees it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import problem
from ftl2_enterprise.store.sqlite import errors
from ftl2_enterprise.store.sqlite.files import SqliteConnection, SqliteFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

    from sqlalchemy import Dialect, Engine, Insert, Table

    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.store.driver import Progress

STEPS = 1_000_000
"""Instructions of SQLite's virtual machine between two calls of a Progress: about ten milliseconds."""
PAGES = 4096
"""Pages copied between two calls of a Progress: 16 MB."""
_INIT = "run `ftl2-enterprise init-db`"


class SqliteDriver:
    """The implementation of `store.driver.Driver` for SQLite: a file in WAL mode.

    SQLAlchemy is imported where it is needed, because a start of the service that finds its database up to date uses
    `stored_revisions` only.
    """

    error: type[sqlite3.Error] = sqlite3.Error

    def __init__(self) -> None:
        self._dialect: Dialect | None = None

    @property
    def dialect(self) -> Dialect:
        """As Driver.dialect."""
        if self._dialect is None:
            from ftl2_enterprise.store.sqlite import statements  # noqa: PLC0415 - see the class

            self._dialect = statements.make_dialect()
        return self._dialect

    # --- databases -----------------------------------------------------------------------------------------------

    def ensure_exists(self, path: Path, *, create: bool) -> None:
        """As Driver.ensure_exists."""
        try:
            if path.is_dir():
                raise problem.invalid(
                    f"cannot open the database {path}: it is a directory", "give the path of a file"
                )
            if path.exists():
                return
            if not create:
                raise problem.not_found(
                    f"cannot open the database {path}: it does not exist",
                    f"{_INIT}, or give the right path with --db",
                )
            for parent in reversed(path.parents):
                if not parent.exists():
                    parent.mkdir(mode=0o700, exist_ok=True)
            _create_private(path, os.O_CREAT)
        except OSError as error:
            raise errors.explain_os(error, path, "open") from error

    def stored_revisions(self, path: Path) -> frozenset[str] | None:
        """As Driver.stored_revisions."""
        try:
            if not path.stat().st_size:
                return None
            with closing(sqlite3.connect(_uri(path, "rw"), uri=True, timeout=0)) as connection:
                if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    return None
                found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except (OSError, sqlite3.Error):
            return None
        return frozenset(revision for (revision,) in found)

    def copy(self, path: Path, target: Path, progress: Progress | None = None) -> None:
        """As Driver.copy."""
        _create_private(target, os.O_CREAT | os.O_TRUNC)
        with closing(_open(path)) as source, closing(_open(target)) as copied:
            if progress is None:
                source.backup(copied)
            else:
                # SQLite starts the copy again whenever another process writes.
                source.backup(copied, pages=PAGES, progress=lambda status, left, total: progress())

    def discard(self, path: Path) -> None:
        """As Driver.discard."""
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").unlink()

    def commit_counter(self, path: Path) -> DataVersion:
        """As Driver.commit_counter."""
        return DataVersion(path)

    def files(self, path: Path) -> SqliteFiles:
        """As Driver.files."""
        return SqliteFiles(path)

    def orphans(self, path: Path) -> Sequence[Path]:
        """As Driver.orphans. SQLite removes the write-ahead log of an empty database when it opens it."""
        is_missing = not path.exists()
        if not is_missing and path.stat().st_size:
            return []
        real = os.path.realpath(path)
        files = [Path(f"{real}{suffix}") for suffix in (("-wal", "-shm", "-journal") if is_missing else ("-wal",))]
        return [one for one in files if one.is_file() and (is_missing or one.stat().st_size)]

    # --- connections ---------------------------------------------------------------------------------------------

    def connect(self, path: Path, patience: float) -> sqlite3.Connection:
        """As Driver.connect."""
        # isolation_level None: the module begins no transaction; every BEGIN and COMMIT is in this file.
        connection = sqlite3.connect(
            _uri(path, "rw"),
            uri=True,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            factory=SqliteConnection,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            # Not in a listener of the pool: older versions of the pool leave such a connection open.
            connection.close()
            raise
        return connection

    def engine(self, connect: Callable[[], sqlite3.Connection]) -> Engine:
        """As Driver.engine."""
        from ftl2_enterprise.store.sqlite import statements  # noqa: PLC0415 - see the class

        return statements.make_engine(connect)

    def prepare(self, connection: sqlite3.Connection, path: Path, patience: float) -> None:
        """As Driver.prepare: in WAL mode, which the file remembers."""
        deadline = time.monotonic() + patience
        while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                # SQLite does not wait for a lock here, and two processes may be opening a new database at once.
                if errors.primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise problem.unavailable(
                    f"cannot open the database {path}: its file system has no write-ahead log ({mode})",
                    "put it on a local disk",
                )

    def table_names(self, connection: sqlite3.Connection) -> Collection[str]:
        """As Driver.table_names."""
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def last_id(self, connection: sqlite3.Connection, table: str) -> int:
        """As Driver.last_id: SQLite keeps the counter of an AUTOINCREMENT column in `sqlite_sequence`."""
        found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return 0 if found is None else int(found[0])

    # --- transactions --------------------------------------------------------------------------------------------

    def begin(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        """As Driver.begin."""
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED")

    def commit(self, connection: sqlite3.Connection) -> None:
        """As Driver.commit."""
        connection.execute("COMMIT")

    def roll_back(self, connection: sqlite3.Connection) -> None:
        """As Driver.roll_back."""
        if connection.in_transaction:
            connection.rollback()

    def in_transaction(self, connection: sqlite3.Connection) -> bool:
        """As Driver.in_transaction."""
        return connection.in_transaction

    @contextmanager
    def change_schema(self, connection: sqlite3.Connection, progress: Progress | None = None) -> Generator[None]:
        """As Driver.change_schema."""
        # With enforcement, dropping the old version of a table would count as deleting rows that others refer to.
        # SQLite changes this setting only outside of a transaction; the result is checked inside it.
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            self.begin(connection, writes=True)
            try:
                if progress is not None:
                    connection.set_progress_handler(progress, STEPS)
                yield
                _check_references(connection)
                self.commit(connection)
            except BaseException:
                self.roll_back(connection)
                raise
            finally:
                connection.set_progress_handler(None, 0)
        finally:
            connection.execute("PRAGMA foreign_keys = ON")

    # --- statements ----------------------------------------------------------------------------------------------

    def execute(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """As Driver.execute."""
        return connection.execute(sql, values)

    def execute_many(self, connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """As Driver.execute_many."""
        connection.executemany(sql, rows)

    def insert(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> int:
        """As Driver.insert."""
        return int(connection.execute(sql, values).lastrowid or 0)

    def upsert(self, table: Table, *, key: Collection[str], update: Collection[str]) -> Insert:
        """As Driver.upsert."""
        from ftl2_enterprise.store.sqlite import statements  # noqa: PLC0415 - see the class

        return statements.upsert(table, key=key, update=update)

    def insert_or_ignore(self, table: Table) -> Insert:
        """As Driver.insert_or_ignore."""
        from ftl2_enterprise.store.sqlite import statements  # noqa: PLC0415 - see the class

        return statements.insert_or_ignore(table)

    # --- errors --------------------------------------------------------------------------------------------------

    def explain(self, error: BaseException, path: Path, doing: str) -> Problem | None:
        """As Driver.explain."""
        if isinstance(error, OSError):
            return errors.explain_os(error, path, doing)
        return errors.explain(error, path, doing)

    def spoils_connection(self, error: BaseException) -> bool:
        """As Driver.spoils_connection.

        After a disk error SQLite may or may not have rolled back, and the connection may have a stale view of the
        file. SQLITE_ERROR is an error in the statement.
        """
        return isinstance(error, sqlite3.OperationalError) and errors.primary_code(error) != sqlite3.SQLITE_ERROR


class DataVersion:
    """As driver.CommitCounter, by `PRAGMA data_version`; reading it takes a few microseconds."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection = sqlite3.connect(
            _uri(path, "ro"), uri=True, timeout=0, isolation_level=None
        )

    def read(self) -> int | None:
        """As CommitCounter.read."""
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    def close(self) -> None:
        """As CommitCounter.close."""
        self._connection.close()


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, "rw"), uri=True)


def _create_private(path: Path, flags: int) -> None:
    """Create the file before SQLite does, so that no other user can read it at any moment; -wal and -shm follow."""
    os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600))


def _check_references(connection: sqlite3.Connection) -> None:
    lost = connection.execute("PRAGMA foreign_key_check").fetchall()
    if lost:
        raise RuntimeError(f"after the migration {len(lost)} rows refer to rows that do not exist: {lost[:3]}")


SQLITE = SqliteDriver()
