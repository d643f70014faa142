"""Reads files that other people have named: regular files only, of a limited size, without waiting.

Opening a named pipe waits for a process that writes to it, reading a device may never end, and opening some devices
has an effect. What a path names is therefore checked before it is opened, and again afterwards.
"""

from __future__ import annotations

import errno
import os
import stat

PROGRAM_STARTS = frozenset({b"#!", b"\x7fE"})
LARGEST = 8 << 20
"""Bytes of a file that is read as a whole, unless a caller has another limit."""


def open_regular(path: str | os.PathLike[str], *, follow: bool = True, directory: int | None = None) -> int:
    """A descriptor for reading a regular file. Raises OSError, also for anything else, with a reason for people.

    Without `follow`, a link is refused. `directory` is the descriptor to which a relative path is relative.
    """
    _refuse_others(os.stat(path, dir_fd=directory, follow_symlinks=follow), path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=directory)
    try:
        # It could have been exchanged since.
        _refuse_others(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(
    path: str | os.PathLike[str], most: int = LARGEST, *, follow: bool = True, directory: int | None = None
) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError as `open_regular`, or as it is larger."""
    with open(open_regular(path, follow=follow, directory=directory), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {size_text(most)}", os.fspath(path))
    return data


def is_program(path: str | os.PathLike[str]) -> bool:
    """Whether this user may execute the file, and it begins as a program. Raises OSError if it cannot be read."""
    if not os.access(path, os.X_OK):
        return False
    with open(open_regular(path), "rb") as file:
        return file.read(2) in PROGRAM_STARTS


def size_text(size: int) -> str:
    """A number of bytes for people: `8 MiB`, or `64 KiB` for small ones."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _refuse_others(found: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "it is a directory", os.fspath(path))
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a link", os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
