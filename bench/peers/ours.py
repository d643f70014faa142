"""Our service as a peer: its children are loops that rest in their processes."""

from __future__ import annotations

import signal
import socket
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import process
from bench.peers.peers import spawn
from ftl2_enterprise import client
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth
from ftl2_enterprise.supervisor.root import process_tree

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent
RESTING = """\
version: 1
name: idle
steps:
  - name: nothing to do
    file: {{path: {path}, state: directory}}
"""
BUSY = """\
version: 1
name: busy
steps:
  - name: never done
    check: {{path: "{path}/never"}}
    action: {{module: shell, params: {{cmd: "sleep 3600"}}}}
"""
CONFIG = """\
[store]
path = "{directory}/loops.db"
[log]
directory = "{directory}/log"
[supervisor]
socket = "{directory}/control.sock"
max_running = 2000
{keeps}splay = 0
healthy_after = 0.2
restart_limit = 100000
"""

KEEPS_PROCESSES = "rest = 1000000\n"
POLL = 0.005
"""Seconds between two queries for a new claim: polling more often would disturb the measured service."""


class Ours:
    """ftl2-enterprise supervise."""

    name = "ours"

    def prepare(self, directory: Path, count: int, ready: Path, kind: str) -> None:
        self._socket, self._database = directory / "control.sock", directory / "loops.db"
        self._config = directory / "config.toml"
        self._config.write_text(CONFIG.format(directory=directory, keeps=KEEPS_PROCESSES))
        self._ready = ready
        self.start(watching=False)
        is_busy = kind == "full"
        manifest = (BUSY if is_busy else RESTING).format(path=directory)
        expected = LoopState.RUNNING if is_busy else LoopState.RESTING
        with client.connect(str(self._socket)) as service:
            for key in range(count):
                spec = LoopSpec(name=f"c{key}", desired_state=manifest, mode=Mode.CONTINUOUS, interval=36_000.0)
                service.call(SubmitLoop(spec=spec))

            def all_there() -> bool:
                return all(each.state is expected for each in service.call(ListLoops()).loops)

            process.until(all_there, 300, f"every loop to be {expected}")
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(90)
        with closing(sqlite3.connect(self._database, isolation_level=None)) as database:
            # A resting loop is due when the service starts, so every loop gets a process, and keeps it.
            database.execute("UPDATE loops SET next_run_at = 1 WHERE state = 'resting'")

    def start(self, *, watching: bool = True) -> None:
        self._process = spawn([BIN / "ftl2-enterprise", "--config", self._config, "supervise"])
        if watching:
            self._watcher = threading.Thread(target=self._report, daemon=True)
            self._watcher.start()
        else:
            process.until(self._answers, 60, "the service to answer")

    def start_as_shipped(self) -> None:
        """Restart it with loops that end their processes while they rest; returns when no loop has one."""
        self._config.write_text(self._config.read_text().replace(KEEPS_PROCESSES, ""))
        self.start(watching=False)

        def all_rest() -> bool:
            with client.connect(str(self._socket)) as service:
                found = service.call(ListLoops()).loops
            return all(each.state is LoopState.RESTING and each.pid is None for each in found)

        process.until(all_rest, 60, "every loop to rest without a process")

    def wait_for_first_iterations(self) -> None:
        """Wait until every loop has finished an iteration: it rests, and is no longer due as `prepare` made it."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM loops WHERE state != 'resting' OR next_run_at = 1"
            process.until(lambda: database.execute(query).fetchone() == (0,), 60, "every loop to rest")

    def _answers(self) -> bool:
        with suppress(Exception), client.connect(str(self._socket)) as service:
            return service.call(GetHealth()).ok
        return False

    def _report(self) -> None:
        """Report to `ready` which loop has a new process: it has claimed the loop, so its imports are complete."""
        query = "SELECT name, owner FROM loops WHERE owner IS NOT NULL"
        seen: dict[str, str] = {}
        with (
            closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        ):
            while process.is_alive(self._process.pid):
                with suppress(sqlite3.OperationalError, FileNotFoundError, ConnectionError):
                    for name, owner in database.execute(query):
                        if seen.get(name) != owner:
                            seen[name] = owner
                            ready.sendto(f"{name} {owner.split(':')[1]}".encode(), str(self._ready))
                time.sleep(POLL)

    def pids(self) -> list[int]:
        with client.connect(str(self._socket)) as service:
            own = {each.name: each.pid for each in service.call(GetHealth()).processes if each.pid is not None}
        # The child of the forkserver is the one in advance.
        return [*own.values(), *process_tree.below({own["forkserver"]}) - {own["forkserver"]}]

    def started_at(self, name: str) -> float:
        """When the process of a loop was ready, in seconds of the wall clock."""
        with client.connect(str(self._socket)) as service:
            found = service.call(ShowLoop(loop=name)).process
        assert found is not None
        return found.started_at / 1e6

    def status(self) -> Callable[[], object]:
        service = client.connect(str(self._socket))
        return lambda: service.call(ListLoops())

    def status_command(self) -> list[str]:
        return [str(BIN / "ftl2ctl"), "--socket", str(self._socket), "status"]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(90)
