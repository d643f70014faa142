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


def _close(descriptors: list[int]) -> None:
    for one in descriptors:
        os.close(one)


@pytest.fixture
def asked(tmp_path: Path) -> Settings:
    return _settings(tmp_path)


def test_directories_and_database_are_created_with_restrictive_modes(asked: Settings, tmp_path: Path) -> None:
    _close(service.prepare(asked, {}))
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
    _close(service.prepare(asked, {}))


def test_a_second_service_on_the_logs_is_refused(asked: Settings, tmp_path: Path) -> None:
    # Loops of two databases have the same ids, by which their logs are called.
    script = (
        "import sys; from tests.integration.cli.commands.service.test_supervise import _settings; "
        "from ftl2_enterprise.cli import service; from pathlib import Path; "
        "service.prepare(_settings(Path(sys.argv[1])), {}); print('ready', flush=True); input()"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    other = _settings(tmp_path, **{"store.path": str(tmp_path / "other" / "loops.db")})
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        with pytest.raises(Problem, match=f"the service of process {first.pid} keeps its own there") as caught:
            service.prepare(other, {})
        first.communicate("\n")
    assert caught.value.code is Code.CONFLICT
    # Nor are the logs of a database that is still there mixed with others, however it is called.
    with pytest.raises(Problem, match=f"it has those of the database {asked.store.path}"):
        service.prepare(other, {})
    assert not Path(other.store.path).exists()
    link = tmp_path / "link.db"
    link.symlink_to(asked.store.path)
    _close(service.prepare(_settings(tmp_path, **{"store.path": str(link)}), {}))


def test_the_logs_of_a_database_follow_it_to_another_place(asked: Settings, tmp_path: Path) -> None:
    _close(service.prepare(asked, {}))
    moved = tmp_path / "moved"
    Path(asked.store.path).parent.rename(moved)
    _close(service.prepare(_settings(tmp_path, **{"store.path": str(moved / "loops.db")}), {}))


def test_the_logs_of_a_database_of_another_place_are_next_to_it(tmp_path: Path) -> None:
    def logs(environ: dict[str, str], **flags: str) -> str:
        return MODEL.load(environ=environ, flags=flags, etc=Path("/nowhere")).settings.log.directory

    database = {"store.path": str(tmp_path / "loops.db")}
    assert logs({}, **database) == str(tmp_path / "log")
    assert logs({}, **database, **{"log.directory": "/srv/logs"}) == "/srv/logs"
    # The unit has a directory for its logs wherever its database is.
    assert logs({"LOGS_DIRECTORY": "/var/log/unit"}, **database) == "/var/log/unit"


def test_a_second_service_on_the_socket_is_refused(asked: Settings) -> None:
    path = Path(asked.supervisor.socket)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(Problem, match=f"process {os.getpid()} of another service listens there"):
            service.prepare(asked, {})
        # What systemd listens on for this very process is no other service.
        _close(service.prepare(asked, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}))
    # A socket that a killed service has left does not prevent a start.
    _close(service.prepare(asked, {}))


def test_a_file_in_the_place_of_the_socket_is_refused(asked: Settings) -> None:
    path = Path(asked.supervisor.socket)
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(Problem, match="it is not a socket"):
        service.prepare(asked, {})
    assert path.read_text() == "precious"


def test_a_newer_database_is_refused(asked: Settings) -> None:
    _close(service.prepare(asked, {}))
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
