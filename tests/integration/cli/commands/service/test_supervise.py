"""What has to hold before the service starts; nothing is started here."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.cli import service
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings


def _settings(directory: Path, **more: str) -> Settings:
    flags = {
        "store.path": str(directory / "state" / "loops.db"),
        "supervisor.socket": str(directory / "run" / "control.sock"),
        "log.directory": str(directory / "log"),
        **more,
    }
    return MODEL.load(environ={"HOME": str(directory)}, flags=flags, etc=Path("/nowhere")).settings


@pytest.fixture
def asked(tmp_path: Path) -> Settings:
    return _settings(tmp_path)


def test_directories_and_database_are_created_with_restrictive_modes(asked: Settings, tmp_path: Path) -> None:
    os.close(service.prepare(asked, {}))
    open_database(Path(asked.store.path), create=False).close()
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("state", "log", "run")] == [0o700, 0o750, 0o755]


def test_a_second_service_on_the_database_is_refused(asked: Settings, tmp_path: Path) -> None:
    script = "import sys; from ftl2_enterprise.core import lockfile; lockfile.hold(sys.argv[1]); print(); input()"
    lock = service.lock_path(asked.store.path)
    Path(lock).parent.mkdir()
    argv = [sys.executable, "-c", script, lock]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Problem, match=f"the service of process {other.pid} has it") as caught:
            service.prepare(asked, {})
        assert caught.value.code is Code.CONFLICT
        assert service.holder(asked) == other.pid
        other.communicate("\n")
    assert service.holder(asked) is None
    os.close(service.prepare(asked, {}))


def test_a_second_service_on_the_socket_is_refused(asked: Settings) -> None:
    path = Path(asked.supervisor.socket)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(Problem, match=f"process {os.getpid()} of another service listens there"):
            service.prepare(asked, {})
        # What systemd listens on for this very process is no other service.
        os.close(service.prepare(asked, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}))
    # A socket that a killed service has left does not prevent a start.
    os.close(service.prepare(asked, {}))


def test_a_file_in_the_place_of_the_socket_is_refused(asked: Settings) -> None:
    path = Path(asked.supervisor.socket)
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(Problem, match="it is not a socket"):
        service.prepare(asked, {})
    assert path.read_text() == "precious"


def test_a_newer_database_is_refused(asked: Settings) -> None:
    os.close(service.prepare(asked, {}))
    with sqlite3.connect(asked.store.path) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(Problem, match="newer than this program"):
        service.prepare(asked, {})


@pytest.mark.parametrize(
    ("key", "below", "words"),
    [
        ("store.path", "file/loops.db", "cannot keep the database in"),
        ("log.directory", "file/log", "cannot keep logs in"),
        ("supervisor.socket", "file/control.sock", "cannot listen in"),
    ],
)
def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path, key: str, below: str, words: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=words) as caught:
        service.prepare(_settings(tmp_path, **{key: str(tmp_path / below)}), {})
    assert caught.value.hint
