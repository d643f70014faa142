"""Reading log files while they are written: the last lines, and those to come."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.supervisor.logs.files import path_of, previous
from ftl2_enterprise.supervisor.logs.record import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.protocol.service.verbs import LogLine

BLOCK = 64 * 1024
MOST = 1024 * 1024
"""Bytes of one read; a reader that has fallen back gets the rest with the next one."""


class Follower:
    """The lines of one log, beginning with the last `last` ones; each read returns what was added since."""

    def __init__(self, directory: Path, subject: str, last: int) -> None:
        self._path: Path = path_of(directory, subject)
        self._descriptor: int | None = None
        self._rest: bytes = b""
        self._first: list[LogLine] = self._begin(last)

    def more(self) -> list[LogLine]:
        """The lines that have come; none when there are no new ones. Never waits."""
        first, self._first = self._first, []
        if first:
            return first
        if self._descriptor is None and not self._open(0):
            return []
        lines = self._read()
        if not lines and self._is_renamed():
            # Read once more: a line may have been added between the last read and the renaming.
            lines = self._read()
            if not lines:
                self.close()
                return self._read() if self._open(0) else []
        return lines

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._rest = None, b""

    def _begin(self, last: int) -> list[LogLine]:
        if not self._open(0):
            return []
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        lines = list(_last_lines(self._descriptor, size, last))
        if len(lines) < last:
            try:
                with previous(self._path).open("rb") as before:
                    older = os.fstat(before.fileno()).st_size
                    lines = [*_last_lines(before.fileno(), older, last - len(lines)), *lines]
            except OSError:
                pass
        os.lseek(self._descriptor, size, os.SEEK_SET)
        # The text after the last line break is a line that is being written.
        self._rest = _torn_end(self._descriptor, size)
        return [_line(text) for text in lines]

    def _open(self, offset: int) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            self._descriptor = None
            return False
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        return True

    def _read(self) -> list[LogLine]:
        assert self._descriptor is not None
        data = self._rest + os.read(self._descriptor, MOST)
        whole, _, self._rest = data.rpartition(b"\n")
        return [_line(text) for text in whole.split(b"\n") if text]

    def _is_renamed(self) -> bool:
        assert self._descriptor is not None
        try:
            named = self._path.stat()
        except OSError:
            return False
        opened = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino)


def last_lines(directory: Path, subject: str, count: int) -> list[LogLine]:
    """The last lines of the log, oldest first."""
    follower = Follower(directory, subject, count)
    try:
        return follower.more() if count else []
    finally:
        follower.close()


def last_texts(path: Path, most: int) -> Iterator[bytes]:
    """The lines in the last `most` bytes of a file, newest first."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - most)
            lines = os.pread(file.fileno(), size - start, start).split(b"\n")
    except OSError:
        return
    # The first one may have lost its beginning.
    yield from (text for text in reversed(lines[1:] if start else lines) if text)


def _last_lines(descriptor: int, size: int, count: int) -> list[bytes]:
    """The last whole lines before `size`, oldest first."""
    end, data = size, b""
    while end > 0 and data.count(b"\n") <= count + 1:
        start = max(0, end - BLOCK)
        data = os.pread(descriptor, end - start, start) + data
        end = start
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")
    if end > 0:
        del lines[0]
    return [text for text in lines if text][-count:] if count else []


def _torn_end(descriptor: int, size: int) -> bytes:
    end = os.pread(descriptor, min(size, BLOCK), max(0, size - BLOCK))
    return end[end.rfind(b"\n") + 1 :]


def _line(text: bytes) -> LogLine:
    return decode(text, otherwise=SystemClock().now())
