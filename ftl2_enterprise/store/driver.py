"""What the store needs of a database system: everything that differs between two of them.

The rest of the store is written against this protocol and against SQLAlchemy. `store/sqlite/` implements it, and the
conformance suite in `tests/store/driver/` states what an implementation must do; it runs against every driver.

A *raw connection* is a connection of the driver's DB API module (PEP 249). Methods that take one raise the errors of
that module (`Driver.error`) unless they name another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Dialect, Engine, Insert, Table

    from ftl2_enterprise.core.problem import Problem

type RawConnection = Any
type Progress = Callable[[], None]
"""Called repeatedly while a long operation makes progress."""


class Cursor(Protocol):
    """The result of one statement (PEP 249)."""

    @property
    def rowcount(self) -> int:
        """Rows that an INSERT, UPDATE or DELETE has changed."""
        ...

    def fetchone(self) -> Any:
        """The next row; None after the last one."""
        ...

    def fetchall(self) -> list[Any]:
        """The remaining rows."""
        ...


class CommitCounter(Protocol):
    """A number that changes with every commit of another connection, of any process."""

    def read(self) -> int | None:
        """The number, which shows only whether something has changed; None if it cannot be read now."""
        ...

    def close(self) -> None:
        """Close its connection."""
        ...


class DatabaseFiles(Protocol):
    """The files of a database that a store has open, as they were when it was opened. Any thread may use it.

    A database system may continue with files that have been moved, removed or overwritten. What it commits then is
    lost with the next start, so such a commit must not be acknowledged.
    """

    def recognize(self, doing: str) -> None:
        """Check that the path still leads to the same file; before and after a connection is made. Raises Problem."""
        ...

    def begun(self, connection: RawConnection) -> None:
        """Remember what the connection has open. It has read the database, or holds the write lock."""
        ...

    def check(self, connection: RawConnection | None, doing: str) -> None:
        """Check that a later start will find what this connection commits; it waits for no lock.

        Without a connection, because none could be made, what a connection has open is not checked. Raises
        Problem(unavailable), also when an error has shown before that the database is damaged.
        """
        ...

    def committed(self, connection: RawConnection) -> None:
        """Remember how a commit of this connection has changed the files."""
        ...

    def failed(self, connection: RawConnection, error: BaseException) -> None:
        """Remember what the error, one of the DB API, shows about the files."""
        ...

    def save(self, connection: RawConnection) -> None:
        """Save commits that may be lost otherwise, after `check` has refused a transaction and it was rolled back."""
        ...


class Driver(Protocol):
    """One database system. Stateless: one value serves every database and every thread."""

    @property
    def error(self) -> type[Exception]:
        """The base of the errors of the DB API module."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What statements are compiled for. Its parameters are positional."""
        ...

    # --- databases -----------------------------------------------------------------------------------------------

    def ensure_exists(self, path: Path, *, create: bool) -> None:
        """Make an empty database that only this user can read, if there is none and `create` is set.

        Raises Problem: not_found when it is missing, invalid when the path cannot be a database, unavailable when it
        cannot be created.
        """
        ...

    def stored_revisions(self, path: Path) -> frozenset[str] | None:
        """The revisions in `alembic_version`, if the database needs no preparation; else None.

        None also when that cannot be determined. Waits for no lock and does not load SQLAlchemy, which takes 0.2 s:
        the service decides by this alone whether its database must be migrated at the start.
        """
        ...

    def copy(self, path: Path, target: Path, progress: Progress | None = None) -> None:
        """Write a consistent copy that only this user can read, while other processes may write.

        Raises OSError and the errors of the DB API.
        """
        ...

    def discard(self, path: Path) -> None:
        """Remove a database with everything that belongs to it; nothing happens when it does not exist."""
        ...

    def commit_counter(self, path: Path) -> CommitCounter:
        """A counter of the commits to this database."""
        ...

    def files(self, path: Path) -> DatabaseFiles:
        """The files of an existing database that is about to be opened. Raises Problem."""
        ...

    def orphans(self, path: Path) -> Sequence[Path]:
        """Files that belong to a database which is missing or empty, and would be lost with a new one.

        Empty when the database exists and has content.
        """
        ...

    # --- connections ---------------------------------------------------------------------------------------------

    def connect(self, path: Path, patience: float) -> RawConnection:
        """A connection that begins no transaction itself, and that any thread may use.

        Its commits are durable, and references between rows are enforced. A statement that needs a lock waits for
        `patience` seconds.
        """
        ...

    def engine(self, connect: Callable[[], RawConnection]) -> Engine:
        """An engine with a pool whose connections are made by `connect`."""
        ...

    def prepare(self, connection: RawConnection, path: Path, patience: float) -> None:
        """Set what the database itself remembers: readers and the writer do not block each other.

        Several processes may do so at once. Raises Problem(unavailable) when the database cannot work that way.
        """
        ...

    def table_names(self, connection: RawConnection) -> Collection[str]:
        """Every table; none in a database that was just created."""
        ...

    def last_id(self, connection: RawConnection, table: str) -> int:
        """The highest id that a table declared with `ids_never_reused` has given; 0 before the first one."""
        ...

    # --- transactions --------------------------------------------------------------------------------------------

    def begin(self, connection: RawConnection, *, writes: bool) -> None:
        """Begin a transaction with one view of the database.

        With `writes` it holds the write lock from the start, so that it cannot fail later because another process
        has written in the meantime.
        """
        ...

    def commit(self, connection: RawConnection) -> None:
        """Commit; it is durable when this returns."""
        ...

    def roll_back(self, connection: RawConnection) -> None:
        """Undo the transaction; nothing happens when there is none."""
        ...

    def in_transaction(self, connection: RawConnection) -> bool:
        """Whether a transaction is open. Some errors end it."""
        ...

    def change_schema(
        self, connection: RawConnection, progress: Progress | None = None
    ) -> AbstractContextManager[None]:
        """A write transaction in which tables may be rebuilt, although rows of other tables refer to them.

        `progress` is called while statements in it make progress, and not after it. Raises RuntimeError, and changes
        nothing, when at its end a row refers to a row that does not exist.
        """
        ...

    # --- statements ----------------------------------------------------------------------------------------------

    def execute(self, connection: RawConnection, sql: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute a compiled statement."""
        ...

    def execute_many(self, connection: RawConnection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a compiled statement once for the values of each row."""
        ...

    def insert(self, connection: RawConnection, sql: str, values: Sequence[Any]) -> int:
        """Execute a compiled INSERT of one row into a table with an integer primary key; returns that key."""
        ...

    def upsert(self, table: Table, *, key: Collection[str], update: Collection[str]) -> Insert:
        """An INSERT that, when a row with these key columns exists, sets the `update` columns of that row instead."""
        ...

    def insert_or_ignore(self, table: Table) -> Insert:
        """An INSERT that does nothing when the row violates a uniqueness constraint."""
        ...

    # --- errors --------------------------------------------------------------------------------------------------

    def explain(self, error: BaseException, path: Path, doing: str) -> Problem | None:
        """The problem of the database or its file system that the error means; None for a defect of the program.

        `doing` completes "cannot ... the database": open, read, write, copy.
        """
        ...

    def spoils_connection(self, error: BaseException) -> bool:
        """Whether a connection must not be used again after this error."""
        ...
