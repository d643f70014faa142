"""The service from the command line: preparing directories and database for it, and connecting to one that runs."""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core import lockfile, paths
from ftl2_enterprise.core.problem import Problem, conflict, invalid, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.client import Client
    from ftl2_enterprise.core.settings.model import Settings

PATIENCE = 120.0
"""Seconds of start-up time that are requested of systemd while the database is migrated."""
ASKED_EACH = 5.0
"""Seconds between two such requests."""
DATABASE_MODE, LOG_MODE, SOCKET_MODE = 0o700, 0o750, 0o755
LOG_LOCK = "service.lock"
"""The lock file of the service that keeps its logs in a directory; it contains the path of its database."""
LOG_HINT = "set log.directory in the configuration"


def lock_path(database: str) -> str:
    """The lock file of the service that has the database; it contains the path of its socket."""
    return f"{database}.service"


def prepare(settings: Settings, environ: Mapping[str, str]) -> list[int]:
    """Prepare directories and database, so that this process can become the service.

    Returns the descriptors of the locks on the database and on the logs, which the process holds until it ends or
    closes them. Raises Problem; what was created until then is harmless.
    """
    database = Path(settings.store.path)
    logs = Path(settings.log.directory)
    listening = Path(settings.supervisor.socket)
    is_given = is_socket_given(environ)
    _directory(database.parent, DATABASE_MODE, "keep the database in", "give another --db")
    _directory(logs, LOG_MODE, "keep logs in", LOG_HINT)
    if not is_given:
        _directory(listening.parent, SOCKET_MODE, "listen in", "give another --socket")
    if not is_given:
        _check_socket(listening)
    lock = _locked(lock_path(str(database)))
    if lock is None:
        raise conflict(
            f"cannot serve the database {database}: the service of {_holder(lock_path(str(database)))} has it",
            "control that one with `ftl2ctl`, or give another --db",
        )
    # Clients that know the database find its service by this path.
    _note(lock, settings.supervisor.socket)
    locks = [lock, _logs_held(logs, database)]
    if database.exists() and not os.access(database, os.R_OK | os.W_OK):
        raise unavailable(
            f"cannot use the database {database}: uid {os.geteuid()} may not write it", "check its mode and owner"
        )
    from ftl2_enterprise.store.presence import check_presence  # noqa: PLC0415 - the checks above come first
    from ftl2_enterprise.wiring import migrations  # noqa: PLC0415

    # Before anything opens it.
    check_presence(database)
    if migrations.is_current(database):
        return locks
    from ftl2_enterprise.store import backup  # noqa: PLC0415 - slow to import, and rarely needed
    from ftl2_enterprise.wiring.database import open_database  # noqa: PLC0415

    progress = _patience()
    if database.is_file():
        backup.back_up(database, branches=migrations.branches(), progress=progress)
    open_database(database, create=True, progress=progress).close()
    return locks


def _patience() -> Callable[[], None]:
    """A function that requests more start-up time of systemd, so that a long migration is not killed."""
    from ftl2_enterprise.supervisor.root.notify import ServiceManager  # noqa: PLC0415 - for `supervise` only

    manager, asked = ServiceManager(), 0.0

    def extend() -> None:
        nonlocal asked
        if time.monotonic() - asked >= ASKED_EACH:
            asked = time.monotonic()
            manager.extend(PATIENCE)
            manager.status("migrating the database")

    return extend


def is_socket_given(environ: Mapping[str, str]) -> bool:
    """Whether systemd passes a listening socket to this process (sd_listen_fds(3))."""
    return environ.get("LISTEN_PID") == str(os.getpid()) and environ.get("LISTEN_FDS", "0") != "0"


def holder(settings: Settings) -> int | None:
    """The pid of the service that has the database; 0 when the pid is unknown, None when there is no service."""
    return lockfile.holder(lock_path(settings.store.path))


def _directory(path: Path, mode: int, doing: str, hint: str) -> None:
    try:
        missing = [parent for parent in (*reversed(path.parents), path) if not parent.exists()]
        for parent in missing:
            parent.mkdir(mode=mode, exist_ok=True)
        if not path.is_dir():
            raise invalid(f"cannot {doing} {path}: it is not a directory", hint)
    except OSError as error:
        raise _refused(path, doing, error, hint) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise unavailable(f"cannot {doing} {path}: uid {os.geteuid()} may not write there", hint)


def _refused(path: Path, doing: str, error: OSError, hint: str) -> Problem:
    return unavailable(f"cannot {doing} {path}: {(error.strerror or 'failed').lower()}", hint)


def _locked(path: str) -> int | None:
    """The descriptor of the lock; None if another process has it."""
    try:
        return lockfile.hold(path)
    except OSError as error:
        raise _refused(Path(path), "make the lock file", error, "check its mode and owner") from error


def _holder(path: str) -> str:
    """The process that has the lock, in words."""
    pid = lockfile.holder(path)
    return f"process {pid}" if pid else "another process"


def _note(lock: int, text: str) -> None:
    """Write into a lock file what others may want to know of the service that holds it."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(text), 0)


def _logs_held(directory: Path, database: Path) -> int:
    """Keep other services out of the directory: logs are called by ids, and each database counts its own.

    The logs of a database that is still there are not mixed with those of another one either.
    """
    path = directory / LOG_LOCK
    lock = _locked(str(path))
    if lock is None:
        raise conflict(
            f"cannot keep logs in {directory}: the service of {_holder(str(path))} keeps its own there", LOG_HINT
        )
    noted = Path(os.fsdecode(os.pread(lock, LONGEST_PATH, 0)))
    if noted.is_file() and not (database.exists() and noted.samefile(database)):
        os.close(lock)
        raise conflict(
            f"cannot keep logs in {directory}: it has those of the database {noted}",
            f"{LOG_HINT}, or remove {path} if that database is no longer used",
        )
    _note(lock, str(database))
    return lock


def _check_socket(path: Path) -> None:
    """Refuse a socket path that is in use. Root locks it when it listens; this check gives a clearer message."""
    try:
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise invalid(f"cannot listen on {path}: it is not a socket", "give another --socket")
    except OSError as error:
        raise _refused(path, "listen on", error, "give another --socket") from error
    pid = listener(str(path))
    if pid is not None:
        who = {0: "another service listens", SYSTEMD: "systemd listens for another service"}
        raise conflict(
            f"cannot listen on {path}: {who.get(pid, f'process {pid} of another service listens')} there",
            "control that one with `ftl2ctl`, or give --socket",
        )


SYSTEMD = 1
LONGEST_PATH = 4096
"""Bytes (PATH_MAX)."""
_CREDENTIALS = struct.Struct("=iII")
"""Pid, uid and gid."""


def listener(path: str) -> int | None:
    """The pid of the process that listens on the socket; 0 when it is unknown, None when no process listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as trial:
        try:
            trial.connect(path)
        except BlockingIOError:
            # Its queue of connections is full.
            return 0
        except OSError:
            return None
        pid = _CREDENTIALS.unpack(trial.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    # systemd keeps listening on sockets of services that have ended.
    return pid if pid and Path(f"/proc/{pid}").exists() else 0


def is_answered(path: str) -> bool:
    """Whether a process listens on the socket."""
    return listener(path) is not None


# --- one that runs -------------------------------------------------------------------------------------------------

KEY = "supervisor.socket"


@contextmanager
def reach(session: CliSession) -> Generator[tuple[Client, str]]:
    """A connection to the service, and the path of its database. Raises Problem."""
    from ftl2_enterprise import client  # noqa: PLC0415
    from ftl2_enterprise.protocol.service.verbs import GetHealth  # noqa: PLC0415

    with client.connect(_socket(session), program="ftl2-enterprise") as connection:
        database = connection.call(GetHealth()).database
        if session.db is not None and Path(database) != Path(session.settings.store.path):
            raise conflict(
                f"cannot use the database {session.settings.store.path}: the service at {_socket(session)} has "
                f"another one, {database}",
                f"start one with `ftl2-enterprise --db {session.db} supervise`, or leave --db out",
            )
        yield connection, database


def is_running(session: CliSession) -> bool:
    """Whether a service listens on the socket that this user connects to."""
    return is_answered(_socket(session))


def _socket(session: CliSession) -> str:
    """The socket of the settings; else of the service that has the database; else the user's or the system's."""
    named = session.settings.supervisor.socket
    if session.loaded.origins[KEY] != "default":
        return named
    if holder(session.settings) is not None:
        return Path(lock_path(session.settings.store.path)).read_text().strip() or named
    of_the_system = f"{paths.RUN}/{paths.SOCKET}"
    return named if Path(named).exists() or not Path(of_the_system).exists() else of_the_system
