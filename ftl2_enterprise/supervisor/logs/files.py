"""Log files: whole lines from several processes into one file, a full one kept once as FILE.1.

Every writer appends a line by one write under a shared lock; the writer that finds the file full renames it
under the exclusive one. No writer waits for a lock: a stopped process that holds it must not stop the others.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor.logs.record import encode

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.service.verbs import LogLine

MODE = 0o640
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


def path_of(directory: Path, subject: str) -> Path:
    """The log of a subject: `KIND-ID.log` of `KIND:ID`, and `service.log` of the service itself."""
    return directory / (f"{subject.replace(':', '-')}.log" if subject else "service.log")


def previous(path: Path) -> Path:
    """Where the file goes when it is full."""
    return path.with_name(f"{path.name}.1")


def append(path: Path, data: bytes, max_bytes: int) -> None:
    """Add whole lines. Raises OSError when the disk is full or the file cannot be written."""
    descriptor = _opened(path)
    try:
        if os.fstat(descriptor).st_size + len(data) > max_bytes and os.fstat(descriptor).st_size > 0:
            _rotate(descriptor, path)
            os.close(descriptor)
            descriptor = _opened(path)
        if _is_torn(descriptor):
            # A process was killed, or the disk was full, in the middle of its line.
            data = b"\n" + data
        written = os.write(descriptor, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove the log with what was kept of it."""
    for one in (path, previous(path)):
        with suppress(OSError):
            one.unlink()


def _opened(path: Path) -> int:
    """The file, locked against being renamed as far as that can be had without waiting."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for _ in range(3):
        descriptor = os.open(path, flags, MODE)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if _is_current(descriptor, path):
            return descriptor
        # It was renamed between the opening and the lock.
        os.close(descriptor)
    return os.open(path, flags, MODE)


def _rotate(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Another process is writing; the next writer renames the file.
        return
    if _is_current(descriptor, path):
        path.replace(previous(path))


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat()
    except OSError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


class RotatingFile:
    """A log file as something that lines are written to; what it cannot take is lost and counted."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path: Path = path
        self._max_bytes: int = max_bytes
        self.lost: int = 0

    def write(self, line: LogLine) -> None:
        """Append it."""
        try:
            append(self._path, encode(line), self._max_bytes)
        except OSError:
            self.lost += 1
