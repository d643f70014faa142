"""The client of the control socket: what it loads, and its messages when there is no service at the other end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Code, Problem, conflict
from ftl2_enterprise.protocol.envelope import VERSION, Cancel, Failure, FromClient, Item, Reply, Welcome
from ftl2_enterprise.protocol.frame import Splitter, framed
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop
from ftl2_enterprise.protocol.service.verbs import GetVersion, LogLine, VersionInfo, WatchLogs
from tests.support.scripted.scripted_service import ScriptedService, Stream

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

VERSION_INFO = VersionInfo(program="1", protocol=VERSION, python="3", schema="1")
LINE = LogLine(at=1, level="info", message="hello", source="loop:web")


@contextmanager
def answering(path: Path, *messages: object, raw: bytes = b"", closes: bool = True) -> Generator[list[FromClient]]:
    """A service that sends the same to every client, whatever it receives."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    heard: list[FromClient] = []

    def serve() -> None:
        stream, _ = listener.accept()
        with stream:
            stream.sendall(b"".join(framed(msgspec.msgpack.encode(one)) for one in messages) + raw)
            if closes:
                stream.shutdown(socket.SHUT_WR)
            splitter = Splitter()
            while data := stream.recv(65536):
                heard.extend(msgspec.msgpack.decode(body, type=FromClient) for body in splitter.feed(data))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def problem_of(path: str | Path) -> Problem:
    with pytest.raises(Problem) as problem:
        client.connect(path, 5.0)
    return problem.value


def test_it_loads_neither_sqlalchemy_nor_ftl2_nor_asyncio() -> None:
    program = (
        "import sys\n"
        "from ftl2_enterprise import client\n"
        "from ftl2_enterprise.protocol import catalogue\n"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "msgspec" in loaded
    assert not loaded & {
        "sqlalchemy",
        "ftl2",
        "asyncio",
        "alembic",
        "structlog",
        "rich",
        "click",
        "logging",
        "tomllib",
    }
    ours = {name for name in done.stdout.split() if name.startswith("ftl2_enterprise.")}
    assert {name.split(".")[1] for name in ours} == {"client", "core", "protocol"}


def test_without_a_socket_the_service_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path / "none.sock", tmp_path / "no" / "directory.sock"):
        problem = problem_of(path)
        assert problem.code is Code.UNAVAILABLE
        assert problem.message == f"cannot reach the service at {path}: there is no such socket"
        assert "systemctl start ftl2-enterprise" in str(problem.hint)


def test_a_socket_that_a_dead_service_has_left_has_its_own_message(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    problem = problem_of(path)
    assert (problem.code, problem.message) == (
        Code.UNAVAILABLE,
        f"cannot reach the service at {path}: no process listens",
    )


def test_a_path_that_is_too_long_for_a_socket_is_invalid() -> None:
    problem = problem_of("/tmp/" + "x" * 200)
    assert problem.code is Code.INVALID
    assert "too long" in problem.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_may_not_open_the_socket_is_denied(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with answering(tmp_path / "closed.sock", Welcome(protocol=VERSION, version="1")):
        program = (
            "import sys\n"
            "from ftl2_enterprise import client\n"
            "import os; os.setresuid(12345, 12345, 12345)\n"
            "try: client.connect(sys.argv[1])\n"
            "except Exception as error: print(type(error).__name__, error.code, error)"
        )
        path = str(tmp_path / "closed.sock")
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"Problem denied cannot reach the service at {path}: permission denied")
        client.connect(path).close()


def test_a_service_of_another_version_is_reported_with_both_versions(tmp_path: Path) -> None:
    with answering(tmp_path / "s", Welcome(protocol=VERSION + 1, version="9.9")):
        problem = problem_of(tmp_path / "s")
    assert problem.code is Code.INVALID
    assert f"it speaks version {VERSION + 1} of the protocol, this program {VERSION}" in problem.message


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9\r\n", b"\x00\x00\x00\x02\xc1\xc1", b"\x00\x00\x00\x01\x05"])
def test_a_peer_that_is_no_service_is_reported(tmp_path: Path, raw: bytes) -> None:
    with answering(tmp_path / "s", raw=raw):
        assert problem_of(tmp_path / "s").code is Code.INVALID


def test_a_refusal_of_the_connection_is_raised_unchanged(tmp_path: Path) -> None:
    refused = Failure(id=0, code=Code.UNAVAILABLE, message="cannot connect: it is full", hint="wait")
    with answering(tmp_path / "s", refused):
        problem = problem_of(tmp_path / "s")
    assert (problem.code, problem.message, problem.hint) == (
        Code.UNAVAILABLE,
        "cannot connect: it is full",
        "wait",
    )


def test_a_lost_connection_and_a_silent_service_are_unavailable(tmp_path: Path) -> None:
    welcome = Welcome(protocol=VERSION, version="1")
    with answering(tmp_path / "a", welcome), client.connect(tmp_path / "a") as service:
        with pytest.raises(Problem, match="the connection to the service was lost") as problem:
            service.call(GetVersion())
        assert problem.value.code is Code.UNAVAILABLE
    with answering(tmp_path / "b", welcome, closes=False), client.connect(tmp_path / "b") as service:
        with pytest.raises(Problem, match=r"has not answered within 0\.05 s") as problem:
            service.call(GetVersion(), timeout=0.05)
        assert problem.value.code is Code.UNAVAILABLE


def test_the_last_message_of_the_service_is_raised_even_if_sending_fails(tmp_path: Path) -> None:
    why = Failure(id=0, code=Code.UNAVAILABLE, message="cannot continue: the service restarts")
    ended = threading.Event()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def serve() -> None:
        stream, _ = listener.accept()
        with stream:
            messages = (Welcome(protocol=VERSION, version="1"), why)
            stream.sendall(b"".join(framed(msgspec.msgpack.encode(one)) for one in messages))
            stream.recv(65536)
        ended.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with client.connect(tmp_path / "s") as service:
        assert ended.wait(10)
        with pytest.raises(Problem, match="cannot continue: the service restarts"):
            service.call(GetVersion())
    thread.join(10)
    listener.close()


def test_replies_have_the_declared_type_and_problems_are_unchanged(tmp_path: Path) -> None:
    with ScriptedService(tmp_path / "s") as script, client.connect(tmp_path / "s") as service:
        script.on(GetVersion, VERSION_INFO)
        script.on(ListLoops, LoopPage(loops=[]))

        def refuse(_request: PauseLoop) -> None:
            raise conflict("cannot pause web: it has ended", "start it again")

        script.on(PauseLoop, refuse)
        assert service.call(GetVersion()) == VERSION_INFO
        assert service.call(ListLoops(finished=True)) == LoopPage(loops=[])
        assert script.asked_for(ListLoops) == [ListLoops(finished=True)]
        with pytest.raises(Problem) as problem:
            service.call(PauseLoop(loop="web"))
        assert (problem.value.code, problem.value.message, problem.value.hint) == (
            Code.CONFLICT,
            "cannot pause web: it has ended",
            "start it again",
        )
        assert service.call(GetVersion()) == VERSION_INFO


def test_calls_may_be_made_while_something_is_watched(tmp_path: Path) -> None:
    with ScriptedService(tmp_path / "s") as script, client.connect(tmp_path / "s") as service:
        lines = Stream([LINE])
        script.on(GetVersion, VERSION_INFO)
        script.on(WatchLogs, lines)
        watch = service.watch(WatchLogs())
        assert next(watch) == LINE
        for number in range(3):
            lines.send(msgspec.structs.replace(LINE, at=number))
            assert service.call(GetVersion()) == VERSION_INFO
        assert [next(watch).at for _ in range(3)] == [0, 1, 2]
        watch.close()
        assert service.call(GetVersion()) == VERSION_INFO


def test_the_end_of_a_watch_ends_the_iteration(tmp_path: Path) -> None:
    with ScriptedService(tmp_path / "s") as script, client.connect(tmp_path / "s") as service:
        script.on(WatchLogs, lambda _request: [LINE, LINE])
        assert list(service.watch(WatchLogs())) == [LINE, LINE]


def test_closing_a_watch_cancels_it_once(tmp_path: Path) -> None:
    first = [Welcome(protocol=VERSION, version="1"), Item(id=1, item=msgspec.Raw(msgspec.msgpack.encode(LINE)))]
    # The reply to a call that was abandoned is ignored.
    first += [Reply(id=77, result=msgspec.Raw(b"\xc0"))]
    with (
        answering(tmp_path / "s", *first, closes=False) as heard,
        client.connect(tmp_path / "s", program="test 1") as service,
    ):
        watch = service.watch(WatchLogs())
        assert next(watch) == LINE
        watch.close()
        watch.close()
    assert [type(one).__name__ for one in heard] == ["Hello", "Call", "Cancel"]
    assert heard[-1] == Cancel(id=1)


def test_replies_of_a_newer_service_may_have_fields_that_are_not_known_here(tmp_path: Path) -> None:
    newer = {**msgspec.to_builtins(VERSION_INFO), "colour": "green"}
    with ScriptedService(tmp_path / "s") as script, client.connect(tmp_path / "s") as service:
        script.on(GetVersion, newer)
        assert service.call(GetVersion()) == VERSION_INFO


@pytest.mark.parametrize(
    "reply", [{"program": 1}, [], {"program": "1", "protocol": "one", "python": "", "schema": ""}]
)
def test_a_reply_of_another_type_than_the_verb_declares_is_reported(tmp_path: Path, reply: object) -> None:
    path = tmp_path / "control.sock"
    hello = Welcome(protocol=VERSION, version="9")
    body = msgspec.Raw(msgspec.msgpack.encode(reply))
    with answering(path, hello, Reply(id=1, result=body)), client.connect(path) as service:
        with pytest.raises(Problem, match="cannot understand the service") as found:
            service.call(GetVersion())
        assert found.value.code is Code.INVALID
    path.unlink()
    with (
        answering(path, hello, Item(id=1, item=body)),
        client.connect(path) as service,
        pytest.raises(Problem, match="cannot understand the service"),
    ):
        next(service.watch(WatchLogs()))
