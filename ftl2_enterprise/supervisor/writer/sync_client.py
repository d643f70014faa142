"""The writer's client of a child: it submits units of work, and waits until they are committed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.frame import Splitter
from ftl2_enterprise.supervisor.writer.frames import LONGEST, Committed, Failed, WorkDone, decode_from_writer
from ftl2_enterprise.supervisor.writer.lane import PATIENCE, Lane, given_up, hello, pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.writer.lane import SubmittedWork

_AT_ONCE = 64 * 1024


class WriterLink:
    """A `store.unit.Writer`. Several threads may use it; it serves one at a time.

    Create it in the process that uses it, because its name contains the process.
    """

    def __init__(self, address: str, *, actor: str | None = None, patience: float = PATIENCE) -> None:
        self._address = address
        self._actor = actor
        self._patience = patience
        self._hello = hello()
        self._lane = Lane(0)
        self._turn = threading.Lock()
        self._connection: socket.socket | None = None
        self._splitter = Splitter(LONGEST)

    def execute(self, calls: Sequence[UnitCall]) -> Any:
        """As Writer.execute; Problem(unavailable) also when the writer does not answer for too long."""
        with self._turn:
            submitted = self._lane.submit(calls, self._actor)
            answer = self._answer(submitted)
        return submitted.result(answer)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, submitted: SubmittedWork) -> WorkDone | Failed:
        deadline = time.monotonic() + self._patience
        failures = 0
        while True:
            try:
                connection = self._connection or self._connected()
                connection.sendall(submitted.frame)
                return self._receive(connection, submitted.number)
            except OSError:
                # The writer has ended, or is being restarted. The same work is sent again with the same number, by
                # which the next writer recognises what the previous one committed.
                self.close()
            except BaseException:
                self.close()
                raise
            failures += 1
            left = deadline - time.monotonic()
            if left <= 0:
                raise given_up(self._patience)
            time.sleep(min(pause(failures), left))

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            # Not settimeout(), which needs a second system call for each operation.
            patience = struct.pack("ll", int(self._patience), int(self._patience % 1 * 1_000_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
            connection.connect(self._address)
            connection.sendall(self._hello)
        except BaseException:
            connection.close()
            raise
        self._connection, self._splitter = connection, Splitter(LONGEST)
        return connection

    def _receive(self, connection: socket.socket, number: int) -> WorkDone | Failed:
        while True:
            data = connection.recv(_AT_ONCE)
            if not data:
                raise ConnectionResetError
            for body in self._splitter.feed(data):
                answer = decode_from_writer(body)
                if not isinstance(answer, Committed) and answer.number == number:
                    return answer
