"""Verbs about the service: health, reload with and without a new socket, shutdown, upgrade."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftl2_enterprise.cli.service import listener
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.service.verbs import (
    GetHealth,
    GetSettings,
    GetVersion,
    ListEvents,
    Reload,
    Shutdown,
    Upgrade,
)
from tests.integration.supervisor.control.requests import submit
from tests.support.service.control_process import control
from tests.support.waiting import until

ME = os.geteuid()


def test_health_reports_counts_and_missing_processes(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client, service.connect():
        submit(service)
        until(lambda: service.root.table)
        # The connection that submitted is closed here before control notices it.
        expected = {"running": 1, "children": 1, "connections": 2}
        health = until(lambda: found if (found := client.call(GetHealth())).counts == expected else None)
        assert (health.ok, health.problems, health.draining) == (True, [], False)
        assert health.counts == expected
        assert health.writer_latency is not None
        assert 0 < health.writer_latency < 5
        assert health.database == str(tmp_path / "loops.db")
        (process,) = health.processes
        assert (process.name, process.restarts) == ("control", 3)
        service.root.send(
            {"type": "processes", "processes": [{"name": "writer", "pid": None, "since": None, "restarts": 1}]}
        )
        health = until(lambda: found if not (found := client.call(GetHealth())).ok else None)
        assert health.problems == ["the process writer is not running"]


def test_service_verbs_are_sent_to_root_and_recorded(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        client.call(Upgrade())
        client.call(Shutdown())
        client.call(Shutdown(now=True))
        until(lambda: len(service.root.heard("shutdown")) == 2)
        assert service.root.heard("upgrade") == [{"type": "upgrade"}]
        assert service.root.heard("shutdown") == [
            {"type": "shutdown", "urgency": "drain"},
            {"type": "shutdown", "urgency": "now"},
        ]
        facts = [one for one in client.call(ListEvents()).events if one.kind.startswith("service.")]
        assert [one.kind for one in facts] == [
            "service.upgrade_asked",
            "service.shutdown_asked",
            "service.shutdown_asked",
        ]
        assert all(f"uid {ME}, pid {os.getpid()}" in str(one.actor) for one in facts)


def test_settings_are_reloaded_and_take_effect_at_once(tmp_path: Path) -> None:
    with control(tmp_path, settings="[supervisor]\nmax_connections = 3") as service, service.connect() as client:
        assert client.call(Reload()).changed == []
        service.write_settings('[supervisor]\nmax_connections = 1\nheartbeat = 3.0\nsocket = "/elsewhere"')
        ready = len(service.root.heard("ready"))
        reloaded = client.call(Reload())
        assert reloaded.changed == ["supervisor.heartbeat", "supervisor.max_connections", "supervisor.socket"]
        assert reloaded.need_restart == ["supervisor.heartbeat", "supervisor.socket"]
        # A setting that needs a restart is not reported as changed.
        assert client.call(GetHealth()).socket == str(service.socket)
        until(lambda: len(service.root.heard("ready")) == ready + 1)
        assert len(service.root.heard("reloading")) == 2
        with pytest.raises(Problem, match="cannot connect: 1 clients are connected"):
            service.connect()
        # An error is reported, and the settings in effect stay.
        service.write_settings("[supervisor]\nmax_connection = 5")
        with pytest.raises(Problem, match=r"did you mean supervisor\.max_connections"):
            client.call(Reload())
        with pytest.raises(Problem, match="cannot connect: 1 clients are connected"):
            service.connect()
        assert any("could not be loaded again" in text for text in client.call(GetHealth()).problems)
        # Root asks for the same on SIGHUP.
        service.write_settings("")
        service.root.send({"type": "reload"})
        until(lambda: client.call(GetHealth()).ok)
        service.connect().close()
        (line,) = [one for one in client.call(GetSettings()) if one.key == "supervisor.max_connections"]
        assert (line.value, line.origin) == (256, "default")


def test_a_failed_reload_is_reported_until_one_succeeds(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:

        def reload(settings: str) -> str:
            """The status that root has received when it gets `ready`."""
            service.write_settings(settings)
            service.root.received.clear()
            service.root.send({"type": "reload"})
            until(lambda: service.root.heard("ready"))
            received = list(service.root.received)
            return [one["text"] for one in received[: received.index({"type": "ready"})] if one["type"] == "status"][
                -1
            ]

        problem = reload("[supervisor]\nmax_connection = 5").removeprefix("idle; ")
        assert problem.startswith("the settings could not be loaded again: ")
        assert "max_connection" in problem
        # Whatever else happens.
        loop = submit(service)
        until(lambda: {"type": "status", "text": f"1 running; {problem}"} in service.root.received)
        service.root.end(f"loop:{loop.id}")
        assert client.call(GetHealth()).problems == [problem]
        with pytest.raises(Problem, match="max_connection"):
            client.call(Reload())
        assert "settings" not in reload("[supervisor]\nmax_connections = 5")
        facts = until(
            lambda: (
                found
                if len(found := [one for one in client.call(ListEvents()).events if one.kind.startswith("service.")])
                == 3
                else None
            )
        )
        assert [(one.kind, one.actor is None) for one in facts] == [
            ("service.reload_failed", True),
            ("service.reload_failed", False),
            ("service.reloaded", True),
        ]
        assert "max_connection" in facts[0].data["problem"]
        assert facts[0].data == facts[1].data
        assert facts[2].data == {"changed": ["supervisor.max_connections"]}


def test_it_moves_to_another_socket_and_loses_no_client(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as connected:
        os.kill(service.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(4) as others:
            queued = [others.submit(service.call, GetVersion()) for _ in range(4)]
            until(lambda: len(_waiting_at(service.socket)) == 4)
            service.socket.unlink()
            service.bind_again()
            late = others.submit(service.call, GetHealth())
            os.kill(service.pid, signal.SIGCONT)
            assert {one.result(20).program for one in queued} == {"0.1.0"}
            assert late.result(20).socket == str(service.socket)
        assert connected.call(GetVersion()).program == "0.1.0"
        # Of the old one nothing is left.
        until(lambda: len(_listening_at(service.socket)) == 1)
        service.kill()
        service.start()
        assert service.call(GetVersion()).program == "0.1.0"


def test_the_peer_of_the_socket_is_root(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        # Here the test is root.
        assert listener(str(service.socket)) == os.getpid()
        service.socket.unlink()
        service.bind_again()
        until(lambda: len(_listening_at(service.socket)) == 1)
        assert listener(str(service.socket)) == os.getpid()


def test_problems_that_root_found_are_reported(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        service.root.send({"type": "problem", "text": "clients cannot connect"})
        until(lambda: {"type": "status", "text": "idle; clients cannot connect"} in service.root.received)
        assert client.call(GetHealth()).problems == ["clients cannot connect"]
        service.root.send({"type": "problem", "text": ""})
        until(lambda: client.call(GetHealth()).ok)


def _sockets_at(path: Path) -> list[list[str]]:
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line.split() for line in lines if line.endswith(f" {path}")]


def _listening_at(path: Path) -> list[list[str]]:
    return [words for words in _sockets_at(path) if words[3] == "00010000"]


def _waiting_at(path: Path) -> list[list[str]]:
    """Connections that were not accepted yet."""
    return [words for words in _sockets_at(path) if words[3] == "00000000" and words[6] == "0"]
