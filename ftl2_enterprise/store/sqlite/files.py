"""Recognizes the files of an open SQLite database, so that nothing is committed where no later start finds it.

SQLite continues with the files that it has open, whatever happens to their names. There are three checks:

- The file under the path is the one that was opened, by device and inode.
- The write-ahead log and the shared memory under their names are those that the connection has open, and the log has
  all frames that are committed. SQLite removes both when the last connection is closed, and not before.
- Nothing but a checkpoint has written the file. Its size and its time of modification are remembered together with
  the progress of checkpoints, which is in the shared memory of all connections (sqlite.org/walformat.html, section
  2.1). A checkpoint announces what it is about to write before it writes (`nBackfillAttempted`). So a file that was
  modified without such an announcement was overwritten or truncated by another program.

The shared memory is read through the descriptor that SQLite has: closing another descriptor of the same file would
release the locks of this process.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, final, override
from weakref import WeakSet

from ftl2_enterprise.core import problem
from ftl2_enterprise.store.sqlite import errors

if TYPE_CHECKING:
    from pathlib import Path

type Identity = tuple[int, int]
"""Device and inode."""

_NONE: Identity = (0, 0)
"""Of a file that does not exist."""
_INDEX = struct.Struct("=14xHI12x8s56xI28xI")
"""The beginning of the shared memory: szPage, mxFrame, salts, nBackfill and nBackfillAttempted."""
_NO_SALTS = bytes(8)
"""Of a log that has nothing: they are the same in each."""
_LOG_HEADER, _FRAME_HEADER = 32, 24
"""Bytes, by the same page."""
_PUT_BACK = "put it back; otherwise stop the service and restore a backup"


@final
class SqliteConnection(sqlite3.Connection):
    """A connection that knows which files it has open."""

    log: Identity | None = None
    """The write-ahead log; None until it is opened."""
    index: int | None = None
    """SQLite's descriptor of the shared memory, which is open as long as the connection; None until it is needed."""
    shared: Identity | None = None
    """The shared memory that it is a descriptor of."""
    has_unsaved_log: bool = False
    """Its write-ahead log was removed, and has commits that are not in the database yet."""
    is_log_saved: bool = False
    """The commits in a removed write-ahead log were copied into the database."""

    @override
    def close(self) -> None:
        """Close it, and with it the write-ahead log."""
        self.log = None
        super().close()


class _Checkpoints(NamedTuple):
    """How far checkpoints have progressed. Each checkpoint that writes changes it before it writes."""

    salts: bytes
    """Differ each time that the log begins anew."""
    done: int
    attempted: int


class _Content(NamedTuple):
    """A state of the file in which no checkpoint was in progress."""

    size: int
    modified: int
    checkpoints: _Checkpoints


class SqliteFiles:
    """As store.driver.DatabaseFiles. The connections are those of SqliteDriver.connect."""

    def __init__(self, path: Path) -> None:
        self._path: Path = path
        # Bytes, which are not encoded anew for each system call.
        self._name: bytes = os.fsencode(path)
        real = os.path.realpath(self._name)
        self._log: bytes = real + b"-wal"
        self._index: bytes = real + b"-shm"
        self._connections: WeakSet[SqliteConnection] = WeakSet()
        """Those that have opened the log."""
        self._content: _Content | None = None
        self._is_damaged: bool = False
        try:
            self._identity: Identity = _identity(os.stat(self._name))  # noqa: PTH116 - bytes
        except OSError as error:
            raise errors.explain_os(error, path, "open") from error

    def recognize(self, doing: str) -> None:
        """As DatabaseFiles.recognize. A further connection would create another log in place of a removed one."""
        self._found(doing)
        self._check_log(None, doing)

    def begun(self, connection: sqlite3.Connection) -> None:
        """As DatabaseFiles.begun."""
        if isinstance(connection, SqliteConnection) and connection.log is None:
            # SQLite opens the log with the first transaction after `prepare`.
            found = _identity_of(self._log)
            if found != _NONE:
                connection.log = found
                self._connections.add(connection)
        if not connection.in_transaction and (now := self._checkpoints(connection)) and now.done != now.attempted:
            # As a crash leaves it. Until a checkpoint is complete, changes by another program are not recognized.
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def check(self, connection: sqlite3.Connection | None, doing: str) -> None:
        """As DatabaseFiles.check."""
        found = self._found(doing)
        content = self._content
        if (content is None or content[:2] != (found.st_size, found.st_mtime_ns)) and not self._accept(connection):
            raise problem.unavailable(
                f"cannot {doing} the database {self._path}: another program has overwritten or truncated it",
                "stop the service and restore a backup",
            )
        self._check_log(connection, doing)
        if self._is_damaged:
            damaged = errors.damaged(self._path, doing)
            raise problem.unavailable(damaged.message, damaged.hint)

    def committed(self, connection: sqlite3.Connection) -> None:
        """As DatabaseFiles.committed: the commit may have been followed by a checkpoint."""
        content = self._content
        # Twice as fast as the status of the file.
        if content is None or content.checkpoints != self._checkpoints(connection):
            with suppress(OSError):
                self._accept(connection)

    def failed(self, connection: sqlite3.Connection, error: BaseException) -> None:
        """As DatabaseFiles.failed."""
        if errors.primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            self._is_damaged = True

    def save(self, connection: sqlite3.Connection) -> None:
        """As DatabaseFiles.save: what only a removed write-ahead log has is copied into the database.

        Not if another process may have written another log: then the shared memory describes the frames of that one.
        """
        if isinstance(connection, SqliteConnection) and connection.has_unsaved_log:
            with suppress(sqlite3.Error):
                _, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                connection.is_log_saved = frames == copied
            connection.has_unsaved_log = False

    def _found(self, doing: str) -> os.stat_result:
        """The file under the path. Raises Problem unless it is the one that was opened."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - bytes
        except (FileNotFoundError, NotADirectoryError) as error:
            raise problem.unavailable(
                f"cannot {doing} the database {self._path}: the file was moved or removed while it was open",
                _PUT_BACK,
            ) from error
        except OSError as error:
            raise errors.explain_os(error, self._path, doing) from error
        if (found.st_dev, found.st_ino) != self._identity:
            raise problem.unavailable(
                f"cannot {doing} the database {self._path}: another file has its name since it was opened", _PUT_BACK
            )
        return found

    def _check_log(self, connection: sqlite3.Connection | None, doing: str) -> None:
        """Check the name of the log that this connection has open, or another one of this process."""
        known = connection.log if isinstance(connection, SqliteConnection) else None
        known = known or next((one.log for one in self._connections if one.log is not None), None)
        if known is None:
            return
        before = self._committed(connection)
        try:
            found = os.stat(self._log)  # noqa: PTH116 - bytes
        except OSError:
            found = None
        if found is not None and known == _identity(found):
            # Another process may have committed, or have emptied the log, between the two.
            if found.st_size < before and before == self._committed(connection):
                raise problem.unavailable(
                    f"cannot {doing} the database {self._path}: its write-ahead log {os.fsdecode(self._log)} was "
                    "truncated or overwritten",
                    "restart the service; what was committed since the last checkpoint is lost",
                )
            self._check_index(connection, doing)
            return
        if isinstance(connection, SqliteConnection) and connection.log is not None:
            connection.has_unsaved_log = self._is_log_unused() and not connection.is_log_saved
        raise problem.unavailable(
            f"cannot {doing} the database {self._path}: its write-ahead log {os.fsdecode(self._log)} was removed or "
            "replaced while it was open",
            "restart the service",
        )

    def _check_index(self, connection: sqlite3.Connection | None, doing: str) -> None:
        """Check the name of the shared memory: with another one, a process overwrites what others have committed."""
        shared = connection.shared if isinstance(connection, SqliteConnection) else None
        if shared is not None and shared != _identity_of(self._index):
            raise problem.unavailable(
                f"cannot {doing} the database {self._path}: its shared memory {os.fsdecode(self._index)} was "
                "removed or replaced while it was open",
                "restart the service",
            )

    def _committed(self, connection: sqlite3.Connection | None) -> int:
        """Bytes that the write-ahead log has at least."""
        try:
            page, frames = _INDEX.unpack(os.pread(self._descriptor(connection), _INDEX.size, 0))[:2]
        except (OSError, struct.error):
            return 0
        # 65,536 does not fit, and is written as 1.
        return _LOG_HEADER + frames * (_FRAME_HEADER + (65_536 if page == 1 else page)) if frames else 0

    def _descriptor(self, connection: sqlite3.Connection | None) -> int:
        """That of the shared memory; -1 if it is not found."""
        index = connection.index if isinstance(connection, SqliteConnection) else None
        if index is None:
            index = _descriptor_of(self._index)
            if isinstance(connection, SqliteConnection) and connection.log is not None:
                # SQLite keeps it open for this connection, too.
                connection.index, connection.shared = index, _identity_of(self._index)
        return index

    def _is_log_unused(self) -> bool:
        """Whether no process has written what has the name of the log now; one that only reads leaves it empty."""
        try:
            return os.stat(self._log).st_size == 0  # noqa: PTH116 - bytes
        except OSError:
            return True

    def _accept(self, connection: sqlite3.Connection | None) -> bool:
        """Remember the present content; False if it was not written by a checkpoint."""
        known = self._content
        before = self._checkpoints(connection)
        found = os.stat(self._name)  # noqa: PTH116 - bytes
        if known is not None and found.st_size == 0:
            return False
        if (
            before is None
            or before.salts == _NO_SALTS
            or before.done != before.attempted
            or before != self._checkpoints(connection)
        ):
            # A checkpoint is in progress, or was interrupted: the next one that is completed clears that.
            return True
        if known is not None and before == known.checkpoints:
            # Another thread may have remembered the result of a checkpoint since the caller found a difference.
            return known[:2] == (found.st_size, found.st_mtime_ns)
        self._content = _Content(found.st_size, found.st_mtime_ns, before)
        return True

    def _checkpoints(self, connection: sqlite3.Connection | None) -> _Checkpoints | None:
        """The progress of checkpoints; None if it cannot be read."""
        try:
            found = os.pread(self._descriptor(connection), _INDEX.size, 0)
            _, frames, salts, done, attempted = _INDEX.unpack(found)
        except (OSError, struct.error):
            return None
        # While the log begins anew, the numbers are those of the previous one for a moment.
        return _Checkpoints(salts, done, attempted) if attempted <= frames else None


def _identity(found: os.stat_result) -> Identity:
    return (found.st_dev, found.st_ino)


def _identity_of(name: bytes) -> Identity:
    try:
        return _identity(os.stat(name))  # noqa: PTH116 - bytes
    except OSError:
        return _NONE


def _descriptor_of(name: bytes) -> int:
    """SQLite's descriptor of the shared memory, which all connections of the process use; -1 if it is not found."""
    identity = _identity_of(name)
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - texts
            with suppress(OSError):
                if _identity(os.fstat(int(number))) == identity:
                    return int(number)
    return -1
