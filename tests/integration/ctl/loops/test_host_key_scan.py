"""The keys that a host presents, from a real sshd, and the hosts that present none."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.loops.host_key_scan import presented_keys
from tests.support.processes import sshd

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.mark.ssh
@pytest.mark.parametrize("kinds", [("ed25519",), ("rsa",), ("rsa", "ecdsa", "ed25519")])
def test_one_key_of_each_type_is_fetched(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    (tmp_path / "sshd").mkdir()
    try:
        with sshd.running(tmp_path / "sshd", tmp_path, key_types=kinds) as server:
            keys = presented_keys("127.0.0.1", server.port)
            assert {key.fingerprint for key in keys} == {server.fingerprint(kind) for kind in kinds}
    except sshd.CannotStart as error:
        pytest.skip(str(error))


def refused(host: str, port: int, **more: float) -> str:
    with pytest.raises(Problem, match=r"^cannot fetch the keys of ") as found:
        presented_keys(host, port, **more)
    assert found.value.code is Code.UNAVAILABLE
    return found.value.message


def test_a_closed_port_is_refused() -> None:
    assert refused("127.0.0.1", sshd.free_port()).endswith(": the connection was refused")


def test_an_unknown_name_is_refused() -> None:
    # Too long for a part of a name, so that no server is asked.
    assert refused("x" * 100, 22).endswith(": its address is unknown")


@contextmanager
def answering(greeting: bytes | None) -> Generator[int]:
    """The port of a server that sends this and ends the connection, or is silent for None."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if greeting is not None:
                    connection.sendall(greeting)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in kept:
                connection.close()


def test_a_silent_server_is_given_up() -> None:
    with answering(None) as port:
        assert refused("127.0.0.1", port, within=0.3).endswith(": it does not answer within 0.3 s")


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n\0\0\0\4junk", b"\xff" * 9000]
)
def test_what_is_not_an_ssh_server_is_one_sentence(greeting: bytes) -> None:
    with answering(greeting) as port:
        assert "\n" not in refused("127.0.0.1", port)
