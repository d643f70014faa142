"""Listening sockets: those that this test opens are found with their process."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tcp_socket_is_found_while_it_listens() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        assert observe("sockets", {"port": port})["count"] == 0
        one.listen()
        found = observe("sockets", {"port": port})
    assert found["changed"] is False
    (row,) = found["sockets"]
    assert (row["protocol"], row["address"], row["port"], row["process"]["pid"]) == (
        "tcp",
        "127.0.0.1",
        port,
        os.getpid(),
    )


def test_addresses_of_version_6_and_datagrams() -> None:
    with socket.socket(socket.AF_INET6) as six, socket.socket(type=socket.SOCK_DGRAM) as udp:
        six.bind(("::1", 0))
        six.listen()
        udp.bind(("127.0.0.1", 0))
        (row,) = observe("sockets", {"port": six.getsockname()[1], "protocol": "tcp"})["sockets"]
        assert row["address"] == "::1"
        (row,) = observe("sockets", {"port": udp.getsockname()[1], "protocol": "udp"})["sockets"]
        assert (row["protocol"], row["address"]) == ("udp", "127.0.0.1")


def test_a_unix_socket_is_found_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "s s")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)
        assert observe("sockets", {"path": path})["count"] == 0
        one.listen()
        (row,) = observe("sockets", {"path": path})["sockets"]
    assert (row["protocol"], row["path"], row["process"]["pid"]) == ("unix", path, os.getpid())


def test_a_port_and_a_path_together_are_refused() -> None:
    assert (
        observe("sockets", {"path": "/x", "port": 1})["msg"] == "cannot observe sockets: give port or path, not both"
    )
