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
    """Device and inode number of a file."""

BACKLOG = 1024
"""Connections that wait while no process accepts, for example while control is restarted."""


BOUND_AS = ".new"
"""Suffix of the temporary name under which a socket is bound before it is renamed."""


class Taken(Exception):
    """Another service has the sockets."""


class NotMade(Exception):
    """A socket cannot be created."""


def lock(path: str) -> int:
    """Take the lock of a socket until this process ends; returns its descriptor. Raises Taken and NotMade."""
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
    """Bind a new listening socket, which replaces the file under the name. Raises NotMade."""
    _make_directory(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound under another name first, so that there is no moment in which it is missing or has another mode.
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
    """The listening socket with the name or the path among the given descriptors; the others are closed."""
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
            # From now on the kernel reports this process as the peer of clients (SO_PEERCRED).
            end.listen(BACKLOG)
            end.settimeout(0.0)
            found = end
        else:
            end.close()
    return found


def identity(path: str) -> Identity | None:
    """Identify the socket under the name; None when there is no socket."""
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib is too large for root
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def is_served(path: str) -> bool:
    """Whether a process listens there; does not wait."""
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
    """Remove the file, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - see above


def _make_directory(path: str) -> None:
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - pathlib is too large for root
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)  # noqa: PTH103 - see above
    except OSError as error:
        raise NotMade(f"cannot create the directory {directory}: {(error.strerror or 'failed').lower()}") from error
