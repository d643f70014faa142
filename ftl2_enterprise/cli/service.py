"""The service as seen from the command line: what has to hold before it may start, and how to reach one that runs."""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import lockfile, paths
from ftl2_enterprise.core.problem import Problem, conflict, invalid, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from ftl2_enterprise.cli.session import Session
    from ftl2_enterprise.client import Client
    from ftl2_enterprise.core.settings import Settings

PATIENCE = 120.0
"""Seconds for which the service manager is asked, while the database is changed."""
ASKED_EACH = 5.0
DATABASE_MODE, LOG_MODE, SOCKET_MODE = 0o700, 0o750, 0o755


def lock_path(database: str) -> str:
    """The file that tells which service has the database."""
    return f"{database}.service"


def prepare(settings: Settings, environ: Mapping[str, str]) -> int:
    """Make directories and database ready for this process to be the service.

    Returns the descriptor of the lock on the database, which this process holds until it ends or closes it. Raises
    Problem; what was made until then is harmless.
    """
    database = Path(settings.store.path)
    listening = Path(settings.supervisor.socket)
    is_given = is_socket_given(environ)
    _directory(database.parent, DATABASE_MODE, "keep the database in", "give another --db")
    _directory(Path(settings.log.directory), LOG_MODE, "keep logs in", "set log.directory in the configuration")
    if not is_given:
        _directory(listening.parent, SOCKET_MODE, "listen in", "give another --socket")
    if not is_given:
        _look_for_another(listening)
    lock = _held(lock_path(str(database)), database)
    # For those who know the database and ask for its service.
    os.ftruncate(lock, 0)
    os.pwrite(lock, settings.supervisor.socket.encode(), 0)
    if database.exists() and not os.access(database, os.R_OK | os.W_OK):
        raise unavailable(
            f"cannot use the database {database}: uid {os.geteuid()} may not write it", "look at its mode and owner"
        )
    from ftl2_enterprise.store import schema_version  # noqa: PLC0415 - not needed to refuse what is above

    if schema_version.is_current(database):
        return lock
    from ftl2_enterprise.store import backup  # noqa: PLC0415 - takes long to load, and is rarely needed
    from ftl2_enterprise.store.database import open_store  # noqa: PLC0415

    progress = _patience()
    if database.is_file():
        backup.back_up(database, progress)
    open_store(database, create=True, progress=progress).close()
    return lock


def _patience() -> Callable[[], None]:
    """Asks the service manager for time while it is called: what takes long is not to be ended in the middle."""
    from ftl2_enterprise.supervisor.root.notify import Manager  # noqa: PLC0415 - needed by `supervise` alone

    manager, asked = Manager(), 0.0

    def goes_on() -> None:
        nonlocal asked
        if time.monotonic() - asked >= ASKED_EACH:
            asked = time.monotonic()
            manager.extend(PATIENCE)
            manager.status("brings the database up to date")

    return goes_on


def is_socket_given(environ: Mapping[str, str]) -> bool:
    """Whether systemd listens for this very process already."""
    return environ.get("LISTEN_PID") == str(os.getpid()) and environ.get("LISTEN_FDS", "0") != "0"


def holder(settings: Settings) -> int | None:
    """The pid of the service that has the database of the settings; 0 when it cannot be told."""
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


def _held(lock: str, database: Path) -> int:
    try:
        held = lockfile.hold(lock)
    except OSError as error:
        raise _refused(Path(lock), "make the lock file", error, "look at its mode and owner") from error
    if held is None:
        pid = lockfile.holder(lock)
        who = f"process {pid}" if pid else "another process"
        raise conflict(
            f"cannot serve the database {database}: the service of {who} has it",
            "steer that one with `ftl2ctl`, or give another --db",
        )
    return held


def _look_for_another(path: Path) -> None:
    """Refuse a path that is in use. Root takes a lock when it listens, so this is for the sake of a clear word."""
    try:
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise invalid(f"cannot listen on {path}: there is something else", "give another --socket")
    except OSError as error:
        raise _refused(path, "listen on", error, "give another --socket") from error
    pid = listener(str(path))
    if pid is not None:
        who = {0: "another service listens", SYSTEMD: "systemd listens for another service"}
        raise conflict(
            f"cannot listen on {path}: {who.get(pid, f'process {pid} of another service listens')} there",
            "steer that one with `ftl2ctl`, or give --socket",
        )


SYSTEMD = 1
_CREDENTIALS = struct.Struct("=iII")
"""Pid, uid and gid."""


def listener(path: str) -> int | None:
    """The pid of who listens on that socket; 0 when it cannot be told, None when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as trial:
        try:
            trial.connect(path)
        except BlockingIOError:
            # Its queue is full: busy, but there.
            return 0
        except OSError:
            return None
        pid = _CREDENTIALS.unpack(trial.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    # systemd keeps sockets of services that have ended.
    return pid if pid and Path(f"/proc/{pid}").exists() else 0


def is_answered(path: str) -> bool:
    """Whether somebody listens on that socket."""
    return listener(path) is not None


# --- one that runs -------------------------------------------------------------------------------------------------

KEY = "supervisor.socket"


@contextmanager
def reach(session: Session) -> Generator[tuple[Client, str]]:
    """A connection to the service, and the database that it has. Raises Problem when there is none."""
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


def is_there(session: Session) -> bool:
    """Whether a service listens where this user would look for one."""
    return is_answered(_socket(session))


def _socket(session: Session) -> str:
    """Where the settings say; else of the service that has the database; else this user's own, else the system's."""
    named = session.settings.supervisor.socket
    if session.loaded.origins[KEY] != "default":
        return named
    if holder(session.settings) is not None:
        return Path(lock_path(session.settings.store.path)).read_text().strip() or named
    of_the_system = f"{paths.RUN}/{paths.SOCKET}"
    return named if Path(named).exists() or not Path(of_the_system).exists() else of_the_system


def limits(connection: Client, names: Iterable[str]) -> dict[str, Any]:
    """What the settings of the service say of loops."""
    from ftl2_enterprise.protocol.service.verbs import GetSettings  # noqa: PLC0415

    found = {one.key: one.value for one in connection.call(GetSettings())}
    values = {name: found.get(f"loops.{name}") for name in names}
    return {name: value for name, value in values.items() if value is not None}
