"""Which process holds a thing that only one may hold: a lock on a file beside it. Standard library only.

POSIX locks, because they stay with the process over exec and do not pass to what it forks: however long the children
of a service live, it is the service that holds, and the lock is gone with it.
"""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi0q")
"""The kernel's `struct flock` on 64-bit Linux: type, whence, start, length, pid."""


def hold(path: str) -> int | None:
    """Take the lock for as long as this process lives; the descriptor, or None when another process has it.

    The descriptor survives exec and must stay open. Raises OSError when the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - the library's signature
    return descriptor


def holder(path: str) -> int | None:
    """The pid of the process that holds it; 0 when it is one that this process cannot see.

    Not to be asked by the holder: its lock is gone when it closes any descriptor of the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # Without the file nobody holds it; who may not read it cannot write the thing either.
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)
