"""The file `~/.ssh/known_hosts` of this process's user: read, and replaced as a whole.

FTL2's library reads it for each connection, so a change takes effect with the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem, conflict, unavailable
from ftl2_enterprise.store import private_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

NAME = "known_hosts"
LARGEST = 8 << 20
"""Bytes; ten thousand hosts with three keys have fewer."""
LOCK_WAIT = 10.0
"""Seconds; a change takes as long as the commit of an event."""
LOCK_INTERVAL = 0.02
ATTEMPTS = 10
"""How often a change is made again when another program changes the file at the same time."""
_UNFINISHED = re.compile(rf"\.{NAME}\.[0-9a-f]{{8}}")
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

type Version = tuple[int, int, int] | None
"""Inode, size and time of the last change; None without a file."""


class _Unsafe(Exception):
    """Why the directory or the file is not used, in words that continue a sentence."""


class _Outdated(Exception):
    """Another program has changed the file since it was read."""


class KnownHostsFile:
    """The file below this home directory; by default below that of the environment."""

    def __init__(self, home: str | None = None, *, wait: float = LOCK_WAIT) -> None:
        """`wait`: seconds for which a change waits for another one."""
        self._wait: float = wait
        self._home: str = home or os.path.expanduser("~")  # noqa: PTH111 - a text
        self._directory: str = f"{self._home}/.ssh"
        self.path: str = f"{self._directory}/{NAME}"

    def read(self) -> bytes:
        """The content; empty without a file. Raises Problem."""
        with self._explained("read"):
            try:
                with _opened(self._directory) as directory:
                    return _read(directory)[0]
            except FileNotFoundError:
                return b""

    def change(self, edit: Callable[[bytes], bytes], record: Callable[[], None]) -> None:
        """Replace the content by the edited one, under a lock. Raises Problem, also that of `edit` and `record`.

        `record` is called when the new file is on the disk and does not yet have its name: if it raises, or this
        process ends before, nothing is changed. If this process ends afterwards, the record has no file. It is not
        called if the content stays the same.
        """
        with self._explained("change"):
            self._make_directory()
            with _opened(self._directory) as directory, self._locked(directory):
                _remove_unfinished(directory)
                self._change(directory, edit, record)

    def _change(self, directory: int, edit: Callable[[bytes], bytes], record: Callable[[], None]) -> None:
        is_recorded = False
        for _ in range(ATTEMPTS):
            content, version = _read(directory)
            edited = edit(content)
            if edited == content:
                return

            def before(version: Version = version) -> None:
                nonlocal is_recorded
                _check_version(directory, version)
                if not is_recorded:
                    record()
                    is_recorded = True
                    # Recording takes as long as a disk; ssh adds lines without any lock.
                    _check_version(directory, version)

            try:
                private_files.replace(directory, NAME, edited, before=before)
            except _Outdated:
                continue
            return
        raise conflict(
            f"cannot change {self.path}: another program keeps changing it",
            "repeat the command when that program has ended",
        )

    def _make_directory(self) -> None:
        try:
            os.mkdir(self._directory, private_files.DIRECTORY_MODE)  # noqa: PTH102 - a text
        except FileExistsError:
            return
        home = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(home)
        finally:
            os.close(home)

    @contextlib.contextmanager
    def _locked(self, directory: int) -> Generator[None]:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise conflict(
                        f"cannot change {self.path}: another process has been changing it for {self._wait:g} s",
                        "repeat the command when that process has ended",
                    ) from None
                time.sleep(LOCK_INTERVAL)
        # The lock ends with the descriptor, which the caller closes.
        if stat.S_IMODE(os.fstat(directory).st_mode) != private_files.DIRECTORY_MODE:
            os.fchmod(directory, private_files.DIRECTORY_MODE)
        yield

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Generator[None]:
        try:
            yield
        except _Unsafe as error:
            raise conflict(
                f"cannot {doing} {self.path}: {error}",
                "it has to be a file of the service's user, in a directory of that user",
            ) from error
        except OSError as error:
            why = (error.strerror or "failed").lower()
            if isinstance(error, PermissionError):
                hint = "it has to belong to the user of the service"
                raise Problem(Code.DENIED, f"cannot {doing} {self.path}: {why}", hint=hint) from error
            hint = "check the directory, and the space on its disk"
            raise unavailable(f"cannot {doing} {self.path}: {why}", hint) from error


@contextlib.contextmanager
def _opened(path: str) -> Generator[int]:
    """The descriptor of the directory. Raises OSError and _Unsafe."""
    _refuse_unsafe(os.lstat(path), "its directory", stat.S_ISDIR)
    directory = os.open(path, _OPEN_DIRECTORY)
    try:
        _refuse_unsafe(os.fstat(directory), "its directory", stat.S_ISDIR)
        yield directory
    finally:
        os.close(directory)


def _read(directory: int) -> tuple[bytes, Version]:
    """The content and its version. Raises OSError and _Unsafe."""
    try:
        _refuse_unsafe(os.stat(NAME, dir_fd=directory, follow_symlinks=False), "it", stat.S_ISREG)
        file = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return b"", None
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        _refuse_unsafe(found, "it", stat.S_ISREG)
        if found.st_nlink != 1:
            raise _Unsafe("it has another name, a hard link")
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _Unsafe(f"it has more than {LARGEST >> 20} MiB")
    return content, _version_of(found)


def _refuse_unsafe(found: os.stat_result, what: str, is_kind: Callable[[int], bool]) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _Unsafe(f"{what} is a symbolic link")
    if not is_kind(found.st_mode):
        raise _Unsafe(f"{what} is not a {'directory' if is_kind is stat.S_ISDIR else 'file'}")
    if found.st_uid != os.geteuid():
        raise _Unsafe(f"{what} belongs to another user (uid {found.st_uid})")


def _version_of(found: os.stat_result) -> Version:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _check_version(directory: int, version: Version) -> None:
    """Raise _Outdated if the file is not the one that was read."""
    try:
        now = _version_of(os.stat(NAME, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        now = None
    if now != version:
        raise _Outdated


def _remove_unfinished(directory: int) -> None:
    """Remove the files that a killed process has left: it was the only writer."""
    for name in os.listdir(directory):
        if _UNFINISHED.fullmatch(name):
            os.unlink(name, dir_fd=directory)
