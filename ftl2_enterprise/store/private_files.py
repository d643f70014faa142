"""A directory of small files next to a database, which only the user of the service can read.

A file appears and disappears as a whole, and is on the disk before the function that makes or removes it returns.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from ftl2_enterprise.core.regular_file import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

FREEZES, SECRETS, SITE_POLICY = "freezes", "secrets", "site-policy"
SUFFIXES = frozenset({FREEZES, SECRETS, SITE_POLICY})
"""Of everything that is kept in `DATABASE.SUFFIX` and belongs to a database that exists."""
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PrivateFiles:
    """The files in `DATABASE.SUFFIX`. Functions raise OSError."""

    def __init__(self, database: Path, suffix: str) -> None:
        # Without links, so that everyone who names the database means the same files.
        self._database: str = os.path.realpath(database)
        self.directory: str = f"{self._database}.{suffix}"

    @contextlib.contextmanager
    def opened(self) -> Generator[int]:
        """The descriptor of the directory, so that a link in place of the directory leads nowhere else."""
        directory = os.open(self.directory, _OPEN_DIRECTORY)
        try:
            yield directory
        finally:
            os.close(directory)

    def make_directory(self) -> None:
        """Make the directory unless it exists."""
        try:
            os.mkdir(self.directory, DIRECTORY_MODE)  # noqa: PTH102 - a text
        except FileExistsError:
            return
        with self.opened() as directory:
            self._give(directory)
        parent = os.open(os.path.dirname(self.directory) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def write(self, directory: int, name: str, body: bytes, *, before: Callable[[], None] | None = None) -> None:
        """Write the file, or nothing. `before` is called when it is written and does not yet have its name."""
        replace(directory, name, body, before=before, own=self._give)

    def _give(self, file: int) -> None:
        """Let root make files that the user of the service can read and remove."""
        if os.geteuid() != 0:
            return
        try:
            owner = os.stat(self._database)  # noqa: PTH116 - of a text
        except FileNotFoundError:
            owner = os.stat(os.path.dirname(self._database) or ".")  # noqa: PTH116, PTH120
        os.fchown(file, owner.st_uid, owner.st_gid)


def replace(
    directory: int,
    name: str,
    body: bytes,
    *,
    before: Callable[[], None] | None = None,
    own: Callable[[int], None] | None = None,
) -> None:
    """Write the file, or nothing. Raises OSError.

    `before` is called when the file is written and does not yet have its name; `own` with its descriptor, before
    anything is in it.
    """
    unfinished = f".{name}.{secrets.token_hex(4)}"
    file = os.open(
        unfinished,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
        FILE_MODE,
        dir_fd=directory,
    )
    try:
        try:
            if own is not None:
                own(file)
            _write_all(file, body)
            os.fsync(file)
        finally:
            os.close(file)
        if before is not None:
            before()
        os.rename(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished, dir_fd=directory)
        raise
    os.fsync(directory)


def read(directory: int, name: str, most: int) -> bytes | None:
    """What the file has, up to `most` bytes; None without it. Raises OSError, also if it is not a regular file."""
    try:
        file = open_regular(name, follow=False, directory=directory)
    except FileNotFoundError:
        return None
    try:
        return os.read(file, most)
    finally:
        os.close(file)


def _write_all(file: int, body: bytes) -> None:
    while body:
        body = body[os.write(file, body) :]
