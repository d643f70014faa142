"""Locks on files, by which one process uses something exclusively and others can find it. Standard library only.

These are POSIX locks, because a process keeps them over an exec, and its children do not inherit them: the service
holds the lock, however long its children live, and the lock ends with the service.
"""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi0q")
"""The kernel's `struct flock` on 64-bit Linux: type, whence, start, length, pid."""


def hold(path: str) -> int | None:
    """Take the lock until this process ends; returns the descriptor, or None when another process has it.

    The descriptor survives an exec and must stay open. Raises OSError when the file cannot be created.
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
    """The pid of the process that holds the lock; 0 when this process cannot see that one.

    The holder must not call this: a process loses its lock when it closes any descriptor of the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # Without the file there is no lock; and a process that may not read it may not use what it protects either.
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)
