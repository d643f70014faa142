"""What a command does when the service is replaced under it: real sockets, a service that plays its part."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.client import ConnectionLost
from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.ctl.session import CtlSession
from ftl2_enterprise.protocol.envelope import VERSION, Call, Failure, FromClient, Hello, Reply, Welcome
from ftl2_enterprise.protocol.frame import Splitter, framed
from ftl2_enterprise.protocol.loops.verbs import PauseLoop
from ftl2_enterprise.protocol.service.verbs import GetVersion, VersionInfo
from ftl2_enterprise.render.colour import painter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

VERSION_INFO = VersionInfo(program="1", protocol=VERSION, python="3", schema="1")
WELCOME = Welcome(protocol=VERSION, version="1")
STOPS = Failure(id=0, code=Code.UNAVAILABLE, message="cannot continue: the service restarts or stops")


def greets_only(message: FromClient) -> object:
    return WELCOME if isinstance(message, Hello) else None


def sends_reason(message: FromClient) -> object:
    return WELCOME if isinstance(message, Hello) else STOPS


def stops_at_once(_: FromClient) -> object:
    return STOPS


def answers(message: FromClient) -> object:
    if isinstance(message, Hello):
        return WELCOME
    assert isinstance(message, Call)
    return Reply(id=message.id, result=msgspec.Raw(msgspec.msgpack.encode(VERSION_INFO)))


@contextmanager
def services(path: Path, *each: Callable[[FromClient], Any]) -> Generator[list[list[FromClient]]]:
    """One behaviour for each connection, in turn: what it replies; None or a last word ends the connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    heard: list[list[FromClient]] = []

    def serve() -> None:
        for behaviour in each:
            stream, _ = listener.accept()
            heard.append([])
            with stream:
                talk(stream, behaviour, heard[-1])
        listener.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield heard
    thread.join(10)
    assert not thread.is_alive(), "not every connection was made"


def talk(stream: socket.socket, behaviour: Callable[[FromClient], Any], heard: list[FromClient]) -> None:
    splitter = Splitter()
    while data := stream.recv(65536):
        for body in splitter.feed(data):
            message = msgspec.msgpack.decode(body, type=FromClient)
            heard.append(message)
            reply = behaviour(message)
            if reply is None:
                return
            stream.sendall(framed(msgspec.msgpack.encode(reply)))
            if reply is STOPS:
                return


def session(path: Path) -> CtlSession:
    return CtlSession(out=painter(io.StringIO()), socket=str(path), within=10.0)


@pytest.mark.parametrize("first", [greets_only, sends_reason, stops_at_once])
def test_a_read_is_repeated_on_the_next_service(tmp_path: Path, first: Callable[[FromClient], Any]) -> None:
    with services(tmp_path / "s", first, answers), session(tmp_path / "s") as one:
        assert one.call(GetVersion()) == VERSION_INFO


@pytest.mark.parametrize("first", [greets_only, sends_reason])
def test_a_write_is_never_repeated(tmp_path: Path, first: Callable[[FromClient], Any]) -> None:
    with services(tmp_path / "s", first) as heard, session(tmp_path / "s") as one:
        with pytest.raises(ConnectionLost, match="cannot continue") as lost:
            one.call(PauseLoop(loop="web"))
        assert lost.value.code is Code.UNAVAILABLE
    assert [type(message) for message in heard[0]] == [Hello, Call]


def test_a_write_is_sent_if_no_request_was_sent_before(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with services(path, stops_at_once, sends_reason) as heard, session(path) as one, pytest.raises(ConnectionLost):
        one.call(PauseLoop(loop="web"))
    assert [[type(message) for message in each] for each in heard] == [[Hello], [Hello, Call]]


def test_a_service_that_does_not_come_back_is_reported(tmp_path: Path) -> None:
    lost = pytest.raises(ConnectionLost, match="the connection to the service was lost")
    with services(tmp_path / "s", greets_only, greets_only), session(tmp_path / "s") as one, lost:
        one.call(GetVersion())
