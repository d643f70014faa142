"""One connection of a client to the writer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.frame import Splitter
from ftl2_enterprise.supervisor.writer.batch import merged
from ftl2_enterprise.supervisor.writer.frames import LONGEST, Open, Subscribe, Work, decode_to_writer, pack

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from ftl2_enterprise.supervisor.writer.batch import Given
    from ftl2_enterprise.supervisor.writer.frames import Committed, Frame

AT_ONCE = 64 * 1024
"""Bytes that are read from one connection before the others have their turn."""
ROOM = 64 * 1024
"""Bytes that may wait to be sent; beyond them, notices are merged."""
_NAME = re.compile(r"[0-9a-zA-Z:/_-]{1,200}")


class WriterPeer:
    """Receives work and sends answers and notices, without blocking."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.fd: int = connection.fileno()
        self.pid: int = pid
        self.client: str = ""
        """Its name; empty until it sent one."""
        self.asks_for_news: bool = False
        """It requested notices, and has received none yet."""
        self.waits: bool = False
        """It reads more slowly than the writer sends."""
        self._connection = connection
        self._splitter = Splitter(LONGEST)
        self._out = bytearray()
        self._notice: Committed | None = None

    def receive(self) -> Iterator[Given]:
        """The work that has arrived.

        Raises Problem or msgspec.DecodeError for malformed input, and OSError when the connection has ended.
        """
        data = self._connection.recv(AT_ONCE)
        if not data:
            raise ConnectionResetError
        for body in self._splitter.feed(data):
            message = decode_to_writer(body)
            match message:
                case Work():
                    if not self.client:
                        raise invalid("cannot take work of a client without a name")
                    yield self.client, message
                case Open():
                    if self.client or not _NAME.fullmatch(message.client):
                        raise invalid(f"cannot take the name {message.client[:200]!r} of a client")
                    self.client = message.client
                case Subscribe():
                    self.asks_for_news = True

    def answer(self, message: Frame) -> None:
        """Queue a message."""
        self._out += pack(message)

    def notice(self, notice: Committed) -> None:
        """Queue a notice of a commit; notices that cannot be sent yet are merged."""
        self._notice = notice if self._notice is None else merged(self._notice, notice)

    def send(self) -> bool:
        """Send what the socket has room for; returns whether something is left. Raises OSError when it is closed."""
        while self._out or self._notice is not None:
            if self._notice is not None and len(self._out) < ROOM:
                self._out += pack(self._notice)
                self._notice = None
            try:
                sent = self._connection.send(self._out)
            except BlockingIOError:
                return True
            del self._out[:sent]
        return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
