"""An open database: transactions, their facts for listeners, and the schema that it must have."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

from ftl2_enterprise.core import faults, problem
from ftl2_enterprise.core.clock import Clock, SystemClock
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.store import presence, schema_version
from ftl2_enterprise.store.branches import name_of
from ftl2_enterprise.store.drivers import DRIVER
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.schema_version import Schema
from ftl2_enterprise.store.tx import Tx

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from ftl2_enterprise.store.branches import Branches
    from ftl2_enterprise.store.driver import CommitCounter, DatabaseFiles, Driver, Progress, RawConnection

type Listener = Callable[[Event], None]

BUSY_TIMEOUT = 5.0
"""Seconds that a transaction waits for another process's write."""

_INIT = "run `ftl2-enterprise init-db`"
_SYSTEM_CLOCK = SystemClock()
_log = logging.getLogger(__name__)


class Store:
    """An open database; safe to use from several threads."""

    def __init__(
        self, connector: _Connector, branches: Branches, clock: Clock, listeners: Sequence[Listener]
    ) -> None:
        self.clock: Clock = clock
        self._connector: _Connector = connector
        self._driver: Driver = connector.driver
        self._branches: Branches = branches
        self._engine: Engine = self._driver.engine(connector)
        self._listeners: list[Listener] = list(listeners)
        self._changing: threading.Lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the database is; absolute."""
        return self._connector.path

    @property
    def schema(self) -> str:
        """The revisions that the database has, as one word."""
        return name_of(self._branches.heads)

    @contextmanager
    def write(self) -> Generator[Tx]:
        """One all-or-nothing transaction; its facts are passed to the listeners after the commit.

        Raises Problem(unavailable) when the database is locked, full or unreachable, or its files are no longer those
        that were opened: then nothing was written, and the store can be used again as soon as the cause is removed.
        """
        with self._explaining("write"), self._transaction("write", writes=True) as connection:
            tx = Tx(self._driver, self.path, connection, self.clock.now(), writes=True)
            yield tx
            faults.reach(FaultPoint.BEFORE_COMMIT)
        faults.reach(FaultPoint.AFTER_COMMIT)
        for emitted in tx.emitted if self._listeners else ():
            self._notify(emitted.event())

    @contextmanager
    def read(self) -> Generator[Tx]:
        """One consistent view of the database. Raises Problem(unavailable) like write()."""
        with self._explaining("read"), self._transaction("read", writes=False) as connection:
            yield Tx(self._driver, self.path, connection, self.clock.now(), writes=False)

    def check_files(self) -> None:
        """Check that the files are those that were opened, and not known to be damaged; waits for no lock.

        Raises Problem(unavailable): then no transaction writes.
        """
        with self._explaining("write"):
            self._connector.files.recognize("write")
            with self._engine.connect() as connection:
                self._connector.files.check(connection.connection.driver_connection, "write")

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Pass every committed fact to the listener from now on; returns a function that ends this."""
        with self._changing:
            self._listeners = [*self._listeners, listener]

        def remove() -> None:
            with self._changing:
                self._listeners = [kept for kept in self._listeners if kept is not listener]

        return remove

    def commit_counter(self) -> CommitCounter:
        """A counter of the commits to this database, on a separate connection."""
        return self._driver.commit_counter(self.path)

    def explain(self, error: Exception, doing: str) -> Problem | None:
        """The problem of the database that the error means, as Driver.explain; None for any other error."""
        return _explained(self._driver, error, self.path, doing)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def reopen(self, path: Path) -> None:
        """Continue with the database at that path, whose schema must be current; the present one is closed.

        The statements that were compiled are kept, which is most of the cost of opening. Raises Problem.
        """
        if self._is_open():
            self.close()
        path = path.absolute()
        presence.check_presence(path, driver=self._driver)
        self._driver.ensure_exists(path, create=False)
        self._connector.move(path)
        self.ensure_schema(create=False)

    def ensure_schema(self, *, create: bool, progress: Progress | None = None) -> None:
        """Check the schema; with `create`, bring it up to date. Raises Problem, and whatever a migration raises."""
        with self._explaining("open"), self._engine.connect() as connection:
            raw: RawConnection = connection.connection.driver_connection
            found = self._schema(raw)
            if found is not Schema.CURRENT and not create:
                state = "it is empty" if found is Schema.EMPTY else "its schema is older than this program"
                raise problem.invalid(f"cannot open the database {self.path}: {state}", _INIT)
            self._driver.prepare(raw, self.path, self._connector.patience)
            if found is not Schema.CURRENT:
                with self._driver.change_schema(raw, progress):
                    # Checked again under the lock: another process may have migrated the database in the meantime.
                    if self._schema(raw) is not Schema.CURRENT:
                        schema_version.migrate(connection, self._branches)
            self._connector.files.begun(raw)

    def _schema(self, raw: RawConnection) -> Schema:
        applied = schema_version.applied(self._driver, raw, self.path)
        return schema_version.judge(applied, self._branches, self.path)

    def _is_open(self) -> bool:
        """Whether a connection is kept for the next transaction."""
        pool = self._engine.pool
        return isinstance(pool, QueuePool) and pool.checkedin() > 0

    def _notify(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed on %s", event.kind)

    @contextmanager
    def _transaction(self, doing: str, *, writes: bool) -> Generator[Connection]:
        files = self._connector.files
        with self._engine.connect() as connection:
            raw: RawConnection = connection.connection.driver_connection
            try:
                self._driver.begin(raw, writes=writes)
                if writes:
                    files.begun(raw)
                yield connection
                if writes:
                    # As late as possible: what happens between this and the commit is not detected.
                    files.check(raw, doing)
                self._driver.commit(raw)
            except BaseException as error:
                original = _original(error)
                reason = self._why(raw, original, doing)
                if self._driver.spoils_connection(original):
                    connection.invalidate()
                else:
                    self._driver.roll_back(raw)
                    if isinstance(error, Problem):
                        files.save(raw)
                if reason is not None:
                    raise reason from error
                raise
            if writes:
                files.committed(raw)

    def _why(self, raw: RawConnection, error: BaseException, doing: str) -> Problem | None:
        """What has happened to the files, if an error of the driver is a consequence of it."""
        if not isinstance(error, self._driver.error):
            return None
        files = self._connector.files
        try:
            files.check(raw, doing)
        except Problem as problem:
            return problem
        files.failed(raw, error)
        return None

    @contextmanager
    def _explaining(self, doing: str) -> Generator[None]:
        try:
            yield
        except (exc.DBAPIError, self._driver.error) as error:
            if found := self.explain(error, doing):
                raise found from error
            raise


def open_store(
    path: Path,
    *,
    branches: Branches,
    clock: Clock = _SYSTEM_CLOCK,
    listeners: Sequence[Listener] = (),
    create: bool,
    busy_timeout: float = BUSY_TIMEOUT,
    progress: Progress | None = None,
    driver: Driver = DRIVER,
) -> Store:
    """Open the database; with `create` it is made, or its schema brought up to date, when needed.

    `progress` is called repeatedly during a migration, which may take minutes. Raises Problem when the database is
    missing (not_found), newer, older without `create`, of another program (invalid), cannot be reached, or is missing
    although files that belong to it exist (unavailable); and whatever a migration raises.
    """
    path = path.absolute()
    presence.check_presence(path, driver=driver)
    driver.ensure_exists(path, create=create)
    store = Store(_Connector(driver, path, busy_timeout), branches, clock, listeners)
    try:
        store.ensure_schema(create=create, progress=progress)
    except BaseException:
        store.close()
        raise
    return store


def open_throwaway(path: Path, *, branches: Branches, driver: Driver = DRIVER) -> Store:
    """A new, temporary database; its tables are made as they are declared, without the migrations. Raises Problem."""
    path = path.absolute()
    driver.ensure_exists(path, create=True)
    engine = driver.engine(_Connector(driver, path, BUSY_TIMEOUT))
    with engine.connect() as connection, driver.change_schema(connection.connection.driver_connection):
        schema_version.create(connection, metadata, branches)
    engine.dispose()
    return open_store(path, branches=branches, create=False, driver=driver)


class _Connector:
    """Makes the connections of an engine, all to the same file."""

    def __init__(self, driver: Driver, path: Path, patience: float) -> None:
        self.driver: Driver = driver
        self.path: Path = path
        self.patience: float = patience
        self.files: DatabaseFiles = driver.files(path)

    def move(self, path: Path) -> None:
        """Make connections to another database from now on. Raises Problem."""
        self.path, self.files = path, self.driver.files(path)

    def __call__(self) -> RawConnection:
        self.files.recognize("open")
        try:
            connection = self.driver.connect(self.path, self.patience)
        except self.driver.error:
            self.files.check(None, "open")
            raise
        try:
            self.files.recognize("open")
        except BaseException:
            connection.close()
            raise
        return connection


def _explained(driver: Driver, error: Exception, path: Path, doing: str) -> Problem | None:
    original = _original(error)
    return driver.explain(original, path, doing) if isinstance(original, driver.error) else None


def _original(error: BaseException) -> BaseException:
    """The error of the driver, when SQLAlchemy has wrapped it."""
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
