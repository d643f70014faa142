"""Common process supervisors with the same children and one small interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.peers import process

if TYPE_CHECKING:
    from collections.abc import Callable

CHILD = Path(__file__).with_name("child.py")


class Peer(Protocol):
    """A supervisor under test. `pids` are its own processes, not its children's."""

    name: str

    def prepare(self, directory: Path, count: int, ready: Path, kind: str) -> None:
        """Configure `count` children, which report to `ready` when they run."""
        ...

    def start(self) -> None: ...
    def pids(self) -> list[int]: ...
    def status(self) -> Callable[[], object]:
        """A call that requests the state of all children over a persistent connection."""
        ...

    def status_command(self) -> list[str]: ...
    def stop(self) -> None:
        """Stop it and its children; returns when it has exited."""
        ...


def child(key: int, ready: Path, kind: str) -> list[str]:
    """The command of one child. A bare one loads only what it needs to report that it runs."""
    options = ["-ISE"] if kind == "bare" else []
    return [sys.executable, *options, str(CHILD), f"c{key}", str(ready), kind]


class Supervisord:
    """supervisord 4."""

    name = "supervisord"

    def __init__(self, programs: Path) -> None:
        self._programs = programs

    def prepare(self, directory: Path, count: int, ready: Path, kind: str) -> None:
        self._socket = directory / "supervisor.sock"
        self._config = directory / "supervisord.conf"
        lines = [
            "[supervisord]", "nodaemon=true", f"logfile={directory}/supervisord.log",
            f"pidfile={directory}/supervisord.pid", "minfds=4096",
            "[unix_http_server]", f"file={self._socket}",
            "[supervisorctl]", f"serverurl=unix://{self._socket}",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]  # fmt: skip
        for key in range(count):
            lines += [
                f"[program:c{key}]", "command=" + " ".join(child(key, ready, kind)), "autorestart=true",
                "startsecs=0", "stdout_logfile=NONE", "stderr_logfile=NONE",
            ]  # fmt: skip
        self._config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = spawn([self._programs / "supervisord", "-c", self._config])

    def pids(self) -> list[int]:
        return [self._process.pid]

    def status(self) -> Callable[[], object]:
        # The transport of the peer, in its own environment: the call is timed there, and the time is printed.
        return _timed_elsewhere(
            self._programs / "python",
            "from supervisor.xmlrpc import SupervisorTransport\n"
            "import xmlrpc.client\n"
            f"server = xmlrpc.client.ServerProxy('http://127.0.0.1', SupervisorTransport(None, None, 'unix://{self._socket}'))\n"
            "call = server.supervisor.getAllProcessInfo\n",
        )

    def status_command(self) -> list[str]:
        return [str(self._programs / "supervisorctl"), "-c", str(self._config), "status"]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


class Circus:
    """circus 0.19."""

    name = "circus"

    def __init__(self, programs: Path) -> None:
        self._programs = programs

    def prepare(self, directory: Path, count: int, ready: Path, kind: str) -> None:
        self._endpoint = f"ipc://{directory}/circus.sock"
        lines = [
            "[circus]", f"endpoint = {self._endpoint}", f"pubsub_endpoint = ipc://{directory}/circus-pub.sock",
            "check_delay = 0.5", "statsd = false",
        ]  # fmt: skip
        for key in range(count):
            command = " ".join(child(key, ready, kind))
            lines += [f"[watcher:c{key}]", f"cmd = {command}", "numprocesses = 1", "copy_env = true"]
        self._config = directory / "circus.ini"
        self._config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = spawn([self._programs / "circusd", self._config])

    def pids(self) -> list[int]:
        return [self._process.pid]

    def status(self) -> Callable[[], object]:
        return _timed_elsewhere(
            self._programs / "python",
            "from circus.client import CircusClient\n"
            f"client = CircusClient(endpoint='{self._endpoint}', timeout=30)\n"
            "call = lambda: client.send_message('status')\n",
        )

    def status_command(self) -> list[str]:
        return [str(self._programs / "circusctl"), "--endpoint", self._endpoint, "status"]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)


class Runit:
    """runit: runsvdir with one runsv for each child."""

    name = "runit"

    def __init__(self, programs: Path) -> None:
        self._programs = programs

    def prepare(self, directory: Path, count: int, ready: Path, kind: str) -> None:
        self._directory = directory / "services"
        for key in range(count):
            service = self._directory / f"c{key}"
            service.mkdir(parents=True)
            run = service / "run"
            run.write_text("#!/bin/sh\nexec " + " ".join(child(key, ready, kind)) + "\n")
            run.chmod(0o755)
        self._count = count

    def start(self) -> None:
        path = f"{self._programs}:{os.environ['PATH']}"
        self._process = spawn([self._programs / "runsvdir", self._directory], {"PATH": path})

    def pids(self) -> list[int]:
        runsvdir = self._process.pid
        children = Path(f"/proc/{runsvdir}/task/{runsvdir}/children").read_text().split()
        return [runsvdir, *map(int, children)]

    def status(self) -> Callable[[], object]:
        files = [self._directory / f"c{key}" / "supervise" / "status" for key in range(self._count)]
        return lambda: [file.read_bytes() for file in files]

    def status_command(self) -> list[str]:
        return [str(self._programs / "sv"), "status", *(str(path) for path in sorted(self._directory.iterdir()))]

    def stop(self) -> None:
        # HUP: every runsv ends its child and exits.
        runsv = self.pids()[1:]
        self._process.send_signal(signal.SIGHUP)
        self._process.wait(60)
        process.until(lambda: not any(process.is_alive(pid) for pid in runsv), 60, "runsv to end")


def available(cache: Path) -> list[Peer]:
    """The peers that `make bench-supervisor` could install."""
    found: list[Peer] = []
    for make, folder, program in (
        (Supervisord, "venv/bin", "supervisord"),
        (Circus, "venv/bin", "circusd"),
        (Runit, "runit/usr/bin", "runsvdir"),
    ):
        if (cache / folder / program).exists():
            found.append(make(cache / folder))
    return found


def spawn(command: list[Any], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def _timed_elsewhere(python: Path, prepare: str) -> Callable[[], float]:
    """A call in another environment; returns the milliseconds that it took there."""
    loop = (
        "import sys, time\n"
        "call()\n"
        "for line in sys.stdin:\n"
        "    began = time.perf_counter(); call()\n"
        "    print((time.perf_counter() - began) * 1000, flush=True)\n"
    )
    running = subprocess.Popen(
        [str(python), "-c", prepare + loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdin is not None
    assert running.stdout is not None
    requests, answers = running.stdin, running.stdout

    def call() -> float:
        requests.write("\n")
        requests.flush()
        return float(answers.readline())

    return call


def milliseconds(call: Callable[[], object]) -> float:
    """Milliseconds of one call; a call in another environment reports its own time."""
    began = time.perf_counter()
    measured = call()
    took = (time.perf_counter() - began) * 1000
    return measured if isinstance(measured, float) else took


def end(peer: Peer, children: list[int]) -> None:
    """Kill all remaining processes, also after an error."""
    with suppress(Exception):
        children = [*peer.pids(), *children]
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
