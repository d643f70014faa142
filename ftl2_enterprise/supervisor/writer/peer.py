"""One connection to the writer."""

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
"""Bytes that are taken from one connection before the others have their turn."""
ROOM = 64 * 1024
"""Bytes that may wait to be sent before notices are put together instead."""
_NAME = re.compile(r"[0-9a-zA-Z:/_-]{1,200}")


class WriterPeer:
    """Frames in, frames out; never blocks."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.fd: int = connection.fileno()
        self.pid: int = pid
        self.client: str = ""
        """Its name; empty until it has said it."""
        self.asks_for_news: bool = False
        """It has just subscribed."""
        self.waits: bool = False
        """It does not read as fast as it is told things."""
        self._connection = connection
        self._splitter = Splitter(LONGEST)
        self._out = bytearray()
        self._notice: Committed | None = None

    def receive(self) -> Iterator[Given]:
        """The work that has arrived.

        Raises Problem or msgspec.DecodeError for what is no frame of ours, and OSError when the connection has ended.
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
        """Put it behind what is to be sent."""
        self._out += pack(message)

    def notice(self, notice: Committed) -> None:
        """Tell of a commit; notices that cannot be sent yet become one."""
        self._notice = notice if self._notice is None else merged(self._notice, notice)

    def send(self) -> bool:
        """Send what the other side has room for; whether something is left. Raises OSError when it has ended."""
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
        """Give the connection back."""
        self._connection.close()
