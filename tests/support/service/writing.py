"""A real writer in its own process, and a writer that proves that units are made of plain values."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.faults import VARIABLE
from ftl2_enterprise.protocol.frame import Splitter
from ftl2_enterprise.store.unit import DirectWriter, UnitCall, unit_named
from ftl2_enterprise.supervisor.writer.frames import decode_from_writer
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from ftl2_enterprise.store.tx import Tx


class PlainCall(UnitCall, frozen=True):
    """Its unit gets the arguments, and the caller the result, as another process would."""

    def execute(self, tx: Tx) -> Any:
        unit = unit_named(self.unit.name)
        return unit.decode_result(unit.encode_result(unit.function(tx, **unit.decode(self.encode()))))


class PlainWriter(DirectWriter):
    """Writes directly, as if it were another process."""

    def execute(self, calls: Sequence[UnitCall]) -> Any:
        return super().execute([PlainCall(call.unit, call.args, call.kwargs) for call in calls])


class WriterProcess:
    """The writer on a socket that outlives it, as under root."""

    def __init__(self, directory: Path, database: Path, *, busy_timeout: float = 0.3, descriptors: int = 0) -> None:
        self.database = database
        self.address = str(directory / "writer.sock")
        self.log = directory / "writer.log"
        self._options = [str(busy_timeout), str(descriptors)]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(1024)
        self._links: list[WriterLink] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self, fault: str = "") -> WriterProcess:
        variables = {name: value for name, value in os.environ.items() if name != VARIABLE}
        if fault:
            variables[VARIABLE] = fault
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.support.service.writer_main",
                    str(self._listener.fileno()),
                    str(self.database),
                    *self._options,
                ],
                pass_fds=[self._listener.fileno()],
                env=variables,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def ended(self) -> int:
        return self.process.wait(20)

    def link(self, **options: Any) -> WriterLink:
        link = WriterLink(self.address, **options)
        self._links.append(link)
        return link

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        for link in self._links:
            link.close()
        self._listener.close()


@contextmanager
def writer_process(directory: Path, database: Path, *, fault: str = "", **options: Any) -> Generator[WriterProcess]:
    writer = WriterProcess(directory, database, **options)
    try:
        yield writer.start(fault)
    finally:
        writer.close()


def connected(writer: WriterProcess, *frames: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(writer.address)
    connection.sendall(b"".join(frames))
    return connection


def is_ended(connection: socket.socket) -> bool:
    """By the other side."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def receive(connection: socket.socket, count: int) -> list[Any]:
    splitter = Splitter()
    found: list[Any] = []
    while len(found) < count:
        data = connection.recv(65536)
        assert data
        found += [decode_from_writer(body) for body in splitter.feed(data)]
    return found
