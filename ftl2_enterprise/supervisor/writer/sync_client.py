"""How a loop's process has its units of work written: it hands them to the writer, and waits until they are."""

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
    from ftl2_enterprise.supervisor.writer.lane import Handed

_AT_ONCE = 64 * 1024


class WriterLink:
    """A `store.unit.Writer`; safe to use from several threads, one of which has its turn at a time.

    Made in the process that uses it: its name is that of the process.
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

    def carry_out(self, calls: Sequence[UnitCall]) -> Any:
        """As Writer.carry_out; Problem(unavailable) also when the writer does not answer for too long."""
        with self._turn:
            handed = self._lane.hand_over(calls, self._actor)
            answer = self._answer(handed)
        return handed.result(answer)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, handed: Handed) -> WorkDone | Failed:
        deadline = time.monotonic() + self._patience
        failures = 0
        while True:
            try:
                connection = self._connection or self._connected()
                connection.sendall(handed.frame)
                return self._receive(connection, handed.number)
            except OSError:
                # The writer is gone, or is being started again: the same work under the same number, which the next
                # one knows when this one had it written.
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
            # Not settimeout(), with which every call would be two.
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
