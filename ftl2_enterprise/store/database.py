"""The database: one SQLite file, every write committed to the disk before anybody hears of it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, exc
from sqlalchemy.pool import QueuePool

from ftl2_enterprise.core import faults, problem
from ftl2_enterprise.core.clock import Clock, SystemClock
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.store import schema_version
from ftl2_enterprise.store.prepared import run
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.schema_version import Schema
from ftl2_enterprise.store.sqlite_errors import explained, explained_os, primary_code
from ftl2_enterprise.store.tx import Tx

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

type Listener = Callable[[Event], None]
type Progress = Callable[[], None]
"""Told that a long work gets on."""

STEPS = 1_000_000
"""Of SQLite's machine between two calls of a Progress: some ten milliseconds."""
BUSY_TIMEOUT = 5.0
"""Seconds that a transaction waits for another process's write."""

_INIT = "run `ftl2-enterprise init-db`"
_SYSTEM_CLOCK = SystemClock()
_log = logging.getLogger(__name__)


class Store:
    """An open database; safe to use from several threads."""

    def __init__(
        self, path: Path, engine: Engine, connector: _Connector, clock: Clock, listeners: Sequence[Listener]
    ) -> None:
        self.path: Path = path
        self.clock: Clock = clock
        self._engine: Engine = engine
        self._connector: _Connector = connector
        self._listeners: list[Listener] = list(listeners)
        self._changing: threading.Lock = threading.Lock()

    @contextmanager
    def write(self) -> Generator[Tx]:
        """One all-or-nothing unit of work; its facts go to the listeners after the commit.

        Raises Problem(unavailable) when the database is locked, full or unreachable: nothing is written then, and the
        store can be used again as soon as the cause is gone.
        """
        with self._explaining("write"), self._transaction("IMMEDIATE") as connection:
            tx = Tx(connection, self.clock.now(), writes=True)
            yield tx
            faults.reach(FaultPoint.BEFORE_COMMIT)
        faults.reach(FaultPoint.AFTER_COMMIT)
        for emitted in tx.emitted if self._listeners else ():
            self._tell(emitted.event())

    @contextmanager
    def read(self) -> Generator[Tx]:
        """One consistent view of the database. Raises Problem(unavailable) like write()."""
        with self._explaining("read"), self._transaction("DEFERRED") as connection:
            yield Tx(connection, self.clock.now(), writes=False)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hand every committed fact to the listener from now on; returns what ends that."""
        with self._changing:
            self._listeners = [*self._listeners, listener]

        def remove() -> None:
            with self._changing:
                self._listeners = [kept for kept in self._listeners if kept is not listener]

        return remove

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    def reopen(self, path: Path) -> None:
        """Be the database at that path from now on, whose schema must be up to date; the one before is closed.

        What was compiled for the one before is kept, which is most of what opening costs. Raises Problem.
        """
        if self._is_open():
            self.close()
        self.path = self._connector.path = path.absolute()
        _ensure_file(self.path, create=False)
        with self._explaining("open"):
            _ensure_schema(self._engine, self.path, create=False, patience=self._connector.busy_timeout)

    def _is_open(self) -> bool:
        """Whether a connection is kept for the next transaction."""
        pool = self._engine.pool
        return isinstance(pool, QueuePool) and pool.checkedin() > 0

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed on %s", event.kind)

    @contextmanager
    def _transaction(self, kind: str) -> Generator[Connection]:
        with self._engine.connect() as connection:
            try:
                driver = connection.connection.driver_connection
                run(driver, f"BEGIN {kind}")
                yield connection
                run(driver, "COMMIT")
            except BaseException as error:
                # After a disk error SQLite may or may not have rolled back by itself, and the connection may hold a
                # stale view of the file: a fresh one is taken next time.
                if isinstance(error, exc.OperationalError) and primary_code(error.orig) != sqlite3.SQLITE_ERROR:
                    connection.invalidate()
                else:
                    _roll_back(connection)
                raise

    @contextmanager
    def _explaining(self, doing: str) -> Generator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            if found := explained(error.orig, self.path, doing):
                raise found from error
            raise


def open_store(
    path: Path,
    *,
    clock: Clock = _SYSTEM_CLOCK,
    listeners: Sequence[Listener] = (),
    create: bool,
    busy_timeout: float = BUSY_TIMEOUT,
    progress: Progress | None = None,
) -> Store:
    """Open the database; with `create` it is made, or its schema brought up to date, when needed.

    `progress` is called again and again while the schema is brought up to date, which may take minutes.
    Raises Problem when it is missing (not_found), newer, older without `create`, not ours (invalid), or cannot be
    reached (unavailable).
    """
    path = path.absolute()
    _ensure_file(path, create=create)
    connector = _Connector(path, busy_timeout)
    engine = create_engine("sqlite://", creator=connector, poolclass=QueuePool)
    try:
        _ensure_schema(engine, path, create=create, patience=busy_timeout, progress=progress)
    except exc.DBAPIError as error:
        engine.dispose()
        if found := explained(error.orig, path, "open"):
            raise found from error
        raise
    except BaseException:
        engine.dispose()
        raise
    return Store(path, engine, connector, clock, listeners)


def open_throwaway(path: Path) -> Store:
    """A new, temporary database; its tables are made as they are declared, without the migrations. Raises Problem."""
    path = path.absolute()
    _ensure_file(path, create=True)
    engine = create_engine("sqlite://", creator=_Connector(path, BUSY_TIMEOUT), poolclass=QueuePool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        schema_version.create(connection, metadata)
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
    return open_store(path, create=False)


def _ensure_file(path: Path, *, create: bool) -> None:
    try:
        if path.is_dir():
            raise problem.invalid(f"cannot open the database {path}: it is a directory", "give the path of a file")
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
        # Made here and not by SQLite, so that nobody else can read it at any moment; its -wal and -shm follow.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise explained_os(error, path) from error


class _Connector:
    """Makes the connections of an engine."""

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.path: Path = path
        self.busy_timeout: float = busy_timeout

    def __call__(self) -> sqlite3.Connection:
        # isolation_level None: the module begins no transaction; every BEGIN and COMMIT is written in this file.
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=self.busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            # Here and not in a listener of the pool, whose older versions leave such a connection open.
            connection.close()
            raise
        return connection


def _ensure_schema(
    engine: Engine, path: Path, *, create: bool, patience: float, progress: Progress | None = None
) -> None:
    with engine.connect() as connection:
        found = schema_version.look(connection, path)
        if found is not Schema.CURRENT and not create:
            state = "it is empty" if found is Schema.EMPTY else "its schema is older than this program"
            raise problem.invalid(f"cannot open the database {path}: {state}", _INIT)
        _ensure_wal(connection, path, patience)
        if found is Schema.CURRENT:
            return
        # Off while tables are made anew: dropping the old one would count as deleting what others refer to. SQLite
        # changes this only outside of a transaction, and what the migration leaves is checked inside it.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            # Looked at again under the lock: another process may have brought it up to date in the meantime.
            if schema_version.look(connection, path) is not Schema.CURRENT:
                with _telling(connection, progress):
                    schema_version.migrate(connection)
                    schema_version.check(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        finally:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")


@contextmanager
def _telling(connection: Connection, progress: Progress | None) -> Generator[None]:
    """Calls while SQLite works, and only while it gets on."""
    driver: Any = connection.connection.driver_connection
    if progress is not None:
        driver.set_progress_handler(progress, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _ensure_wal(connection: Connection, path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    driver = connection.connection.driver_connection
    while run(driver, "PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
        except exc.OperationalError as error:
            # SQLite does not wait by itself here, and two processes may be opening a new database at once.
            if primary_code(error.orig) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise problem.unavailable(
                f"cannot open the database {path}: its file system has no write-ahead log ({mode})",
                "put it on a local disk",
            )


def _roll_back(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if driver.in_transaction:
        driver.rollback()
