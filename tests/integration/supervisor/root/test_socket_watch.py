"""The control socket loses its name under a running service: detected, and repaired if it owns the socket."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.service.root_service import Service, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, socket_check=0.05) as it:
        yield it


def bound(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    made.listen()
    return made


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_removed_socket_is_bound_again(made: Service, *, upgraded: bool) -> None:
    path = made.directory / "c.sock"
    made.up(FDSTORE="8")
    if upgraded:
        made.upgrade()
    made.notices("READY=1")
    made.notified.clear()
    path.unlink()
    made.reported("listen")
    assert made.ask() == made.control_pid
    assert path.stat().st_mode & 0o777 == 0o666
    until(lambda: f"{path} was removed or replaced, and is bound again" in made.errors())
    # The next service gets the one that has the name.
    made.notices("FDSTORE=1")
    # A control that is started again has it too, and so has one after another removal.
    os.kill(made.control_pid, 9)
    made.meet()
    made.send("ready")
    assert made.ask() == made.control_pid
    other = made.directory / "other"
    other.write_text("")
    other.rename(path)
    made.reported("listen")
    assert made.ask() == made.control_pid


def test_another_listener_is_left_alone_until_it_ends(made: Service) -> None:
    path = made.directory / "c.sock"
    made.up()
    temporary = made.directory / "other"
    with bound(temporary) as other:
        temporary.rename(path)
        assert made.reported("problem")["text"] == f"clients cannot connect: another process listens at {path}"
        assert other.getsockname() == str(temporary)
        # A later control is notified too.
        os.kill(made.control_pid, 9)
        assert made.meet()["problem"] == f"clients cannot connect: another process listens at {path}"
        made.send("ready")
    made.reported("listen")
    made.until(lambda one: one == {"type": "problem", "text": ""})
    assert made.ask() == made.control_pid


def test_the_socket_of_another_process_stays_when_the_service_ends(made: Service) -> None:
    path = made.directory / "c.sock"
    made.up()
    with bound(made.directory / "other"):
        (made.directory / "other").rename(path)
        made.reported("problem")
        os.kill(made.pid, signal.SIGTERM)
        assert made.wait() == 0
        assert path.is_socket()


def test_a_socket_that_cannot_be_bound_again_is_reported(made: Service) -> None:
    path = made.directory / "c.sock"
    made.up()
    path.unlink()
    path.mkdir()
    (path / "file").touch()
    assert "was removed, and the service cannot listen at" in made.reported("problem")["text"]
    (path / "file").unlink()
    path.rmdir()
    made.until(lambda one: one == {"type": "problem", "text": ""})
    assert made.ask() == made.control_pid


def test_a_removed_socket_of_the_service_manager_is_only_reported(made: Service) -> None:
    path = made.directory / "c.sock"
    with bound(path) as listener:
        made.up(fds=(listener.fileno(),), LISTEN_FDNAMES="ftl2-enterprise.socket")
        kept = made.directory / "kept"
        path.rename(kept)
        reported = f"clients cannot connect: {path} was removed or replaced; restart the socket unit and the service"
        assert made.reported("problem")["text"] == reported
        assert not path.exists()
        kept.rename(path)
        made.until(lambda one: one == {"type": "problem", "text": ""})
        assert made.ask() == made.control_pid
