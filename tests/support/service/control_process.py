"""The control process on its own: a scripted root at one end, clients at the other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from ftl2_enterprise import client
from tests.support.data.new_database import put_database
from tests.support.places import REPOSITORY
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class ScriptedRoot:
    """Sends hello, starts whatever is requested (in name only), and remembers what it received."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.table: dict[str, dict[str, Any]] = {}
        self.refuses = False
        self._pid = 100_000
        self._end: socket.socket | None = None

    def connect(self, *, booted: bool = False, draining: bool = False, parts: int = 1) -> socket.socket:
        """A new channel; control's end of it."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._end = mine
        lines = list(self.table.values())
        size = -(-max(len(lines), 1) // parts)
        for part in range(parts):
            hello = {
                "table": lines[part * size : (part + 1) * size],
                "started_at": time.time_ns() // 1000,
                "booted": booted,
                "draining": draining,
                "processes": [{"name": "control", "pid": 1, "since": 1, "restarts": 3}],
                "more": part < parts - 1,
            }
            self.send({"type": "hello", **hello})
        threading.Thread(target=self._listen, args=[mine], daemon=True).start()
        return theirs

    def send(self, message: dict[str, Any]) -> None:
        assert self._end is not None
        self._end.send(json.dumps(message).encode())

    def give(self, message: dict[str, Any], listener: socket.socket) -> None:
        assert self._end is not None
        socket.send_fds(self._end, [json.dumps(message).encode()], [listener.fileno()])

    def end(self, key: str, **values: Any) -> None:
        """The child of that key is no more."""
        line = self.table.pop(key)
        ending = {"why": "exited", "status": 0, "signal": None, "ran": 1.0, "text": None, **values}
        self.send({"type": "ended", "key": key, "pid": line["pid"], **ending})

    def close(self) -> None:
        if self._end is not None:
            # The thread that reads keeps a closed socket open.
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)
            self._end.close()

    def heard(self, word: str) -> list[dict[str, Any]]:
        return [message for message in list(self.received) if message["type"] == word]

    def _listen(self, end: socket.socket) -> None:
        while True:
            try:
                data = end.recv(65536)
            except OSError:
                return
            if not data:
                return
            message = json.loads(data)
            if message["type"] == "start":
                self._start(message["key"])
            self.received.append(message)

    def _start(self, key: str) -> None:
        if self.refuses:
            refused = {"why": "not_started", "text": "no more processes", "ran": 0.0}
            self.send({"type": "ended", "key": key, "pid": None, **refused})
            return
        self._pid += 1
        line = self.table.setdefault(key, {"key": key, "pid": self._pid, "at": time.time_ns() // 1000})
        self.send({"type": "started", "key": key, "pid": line["pid"], "at": line["at"]})


class ControlProcess:
    """Start it, kill it, start it again on the same socket."""

    def __init__(self, directory: Path, *, settings: str = "", others: bool = False) -> None:
        self.directory = directory
        self.socket = directory / "control.sock"
        self.config = directory / "config.toml"
        self.write_settings(settings)
        self.log = directory / "control.log"
        self.root = ScriptedRoot()
        self._others = others
        self._listener = self._bound()
        self._process: subprocess.Popen[bytes] | None = None

    def _bound(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        self.socket.chmod(0o666)
        listener.listen(128)
        return listener

    def bind_again(self) -> None:
        """As root does when the socket was removed."""
        self._listener.close()
        self._listener = self._bound()
        self.root.give({"type": "listen"}, self._listener)

    def write_settings(self, text: str) -> None:
        self.config.write_text(f'[log]\ndirectory = "{self.directory}/log"\n{text}\n')

    def start(self, **hello: Any) -> None:
        theirs = self.root.connect(**hello)
        database = self.directory / "loops.db"
        if not database.exists():
            put_database(database)
        given = {
            "database": str(database),
            "config": str(self.config),
            "listener": self._listener.fileno(),
            "root": theirs.fileno(),
            "others": self._others,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.service.control_main", json.dumps(given)],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                pass_fds=(self._listener.fileno(), theirs.fileno()),
                env={**os.environ, "HOME": str(self.directory)},
            )
        theirs.close()
        before = len(self.root.heard("ready"))
        until(lambda: self.is_alive() and len(self.root.heard("ready")) > before)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def is_alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return True

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self.root.close()

    def stop(self) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(10)
        self.root.close()
        return status

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(10)

    def connect(self, timeout: float = 20.0) -> client.Client:
        return client.connect(self.socket, timeout)

    def call(self, request: Any) -> Any:
        with self.connect() as service:
            return service.call(request)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.root.close()
        self._listener.close()


@contextlib.contextmanager
def control(directory: Path, **values: Any) -> Generator[ControlProcess]:
    """A control that runs; it is killed in the end, if it still is."""
    made = ControlProcess(directory, **{key: values[key] for key in ("settings", "others") if key in values})
    try:
        made.start(**{key: value for key, value in values.items() if key not in {"settings", "others"}})
        yield made
    finally:
        made.close()
