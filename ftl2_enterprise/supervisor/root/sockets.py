"""The listening sockets, and the lock that keeps a second service away from them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    type Identity = tuple[int, int]
    """Device and number of a file."""

BACKLOG = 1024
"""Connections that wait while nobody accepts, for instance while control is started again."""


BOUND_AS = ".new"
"""What follows the path in the name under which a socket is bound before it is put into its place."""


class Taken(Exception):
    """Another service has the sockets."""


class NotMade(Exception):
    """A socket cannot be made."""


def lock(path: str) -> int:
    """Hold the lock of a socket for the life of this process. Raises Taken and NotMade."""
    _make_directory(path)
    try:
        fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NotMade(f"cannot lock {path}: {(error.strerror or 'failed').lower()}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise Taken(f"cannot listen at {path}: a service is running there") from error
    return fd


def listen(path: str, mode: int) -> socket.socket:
    """A new listening socket in the place of whatever is there. Raises NotMade."""
    _make_directory(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound under another name first: there is no moment at which it is missing or has other rights.
    temporary = f"{path}{BOUND_AS}"
    before = os.umask(0o777 & ~mode)
    try:
        remove(temporary)
        end.bind(temporary)
        end.listen(BACKLOG)
        os.rename(temporary, path)  # noqa: PTH104 - pathlib is too large for root
    except OSError as error:
        end.close()
        reason = "the path is too long" if error.errno is None else (error.strerror or "failed").lower()
        raise NotMade(f"cannot listen at {path}: {reason}") from error
    finally:
        os.umask(before)
    end.settimeout(0.0)
    return end


def take(given: Mapping[int, str], name: str, path: str) -> socket.socket | None:
    """The listening socket among the given descriptors that has the name, or the path; the others are closed."""
    found: socket.socket | None = None
    for fd, called in given.items():
        try:
            end = socket.socket(fileno=fd)
            fits = end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            fits = fits and end.family == socket.AF_UNIX and (called == name or end.getsockname() == path)
        except OSError as error:
            if error.errno != errno.EBADF:
                os.close(fd)
            continue
        if fits and found is None:
            # From now on the kernel names this process to those who ask who listens.
            end.listen(BACKLOG)
            end.settimeout(0.0)
            found = end
        else:
            end.close()
    return found


def identity(path: str) -> Identity | None:
    """Which socket stands under the name; None when it is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib is too large for root
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def is_served(path: str) -> bool:
    """Whether somebody listens there; never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(0.0)
        try:
            trial.connect(path)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def remove(path: str) -> None:
    """Take its name away."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - see above


def _make_directory(path: str) -> None:
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - pathlib is too large for root
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)  # noqa: PTH103 - see above
    except OSError as error:
        raise NotMade(f"cannot make the directory {directory}: {(error.strerror or 'failed').lower()}") from error
