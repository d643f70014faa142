"""Control's channel to root: one JSON object in each packet."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.wire import UNDECODABLE
from ftl2_enterprise.supervisor.control.root_messages import EndRecorded, FromRoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.control.root_messages import ToRoot

_LONGEST = 64 * 1024
_QUEUE = 1000
"""Messages that wait for a root that does not read; it always does, unless it is stopped or about to die."""

_log = logging.getLogger(__name__)


class RootLink:
    """Sends without waiting, and passes every message of root to `received`.

    `lost` is called when root is gone, `given` with each listening socket that root sends.
    """

    def __init__(
        self, channel: socket.socket, received: Callable[[FromRoot], None], lost: Callable[[], None],
        given: Callable[[socket.socket], None] | None = None,
    ) -> None:  # fmt: skip
        channel.settimeout(0)
        self._channel: socket.socket = channel
        self._received: Callable[[FromRoot], None] = received
        self._lost: Callable[[], None] = lost
        self._given: Callable[[socket.socket], None] | None = given
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._closed: bool = False
        self._loop.add_reader(channel, self._receive)

    @property
    def has_room(self) -> bool:
        """Whether a message that is sent now reaches root."""
        return not self._closed and len(self._waiting) < _QUEUE

    def recorded(self, number: int) -> None:
        """The end with that number is in the database, or need not be recorded."""
        self.send(EndRecorded(number=number))

    def send(self, message: ToRoot) -> bool:
        """Send a message, now or as soon as root reads; False when too many wait already."""
        if not self.has_room:
            # Wake-ups are repeated by the next pass, `Alive` by the next unit of work.
            if not self._closed:
                _log.warning("root does not read: a message is dropped")
            return False
        self._waiting.append(_encoder.encode(message))
        if len(self._waiting) == 1:
            self._flush()
        return True

    def close(self) -> None:
        """Stop sending and receiving."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()

    def _flush(self) -> None:
        while self._waiting:
            try:
                self._channel.send(self._waiting[0])
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._flush)
                return
            except OSError:
                self._end()
                return
            self._waiting.popleft()
        self._loop.remove_writer(self._channel)

    def _receive(self) -> None:
        # Every message that has arrived, so that a table of many parts is complete before the next pass.
        while not self._closed:
            try:
                data, fds, _, _ = socket.recv_fds(self._channel, _LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._end()
                return
            for listener in (socket.socket(fileno=fd) for fd in fds):
                if self._given is None:
                    listener.close()
                else:
                    self._given(listener)
            try:
                message = _decoder.decode(data)
            except UNDECODABLE:
                _log.exception("a message of root cannot be decoded")
                continue
            self._received(message)

    def _end(self) -> None:
        self.close()
        self._lost()


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FromRoot] = msgspec.json.Decoder(FromRoot)
