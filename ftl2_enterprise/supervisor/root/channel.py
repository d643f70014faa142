"""One end of a pair of sequenced-packet sockets, with one JSON object in each packet. It never waits for the peer."""

from __future__ import annotations

import json
import socket
from collections import deque

from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.supervisor.root.event_loop import EventLoop
    from ftl2_enterprise.supervisor.root.messages import Message

LARGEST = 65536
"""Bytes of a message."""
MOST_QUEUED = 4096
"""Messages that may wait for the peer."""
AT_A_TIME = 64
"""Messages that are read before other descriptors have their turn."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Create two connected sockets."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """The end of root. `received` may raise: the message is logged and ignored."""

    def __init__(
        self, name: str, end: socket.socket, loop: EventLoop, *, received: Callable[[Message], None],
        closed: Callable[[], None],
    ) -> None:  # fmt: skip
        end.settimeout(0.0)
        self._name = name
        self._end = end
        self._loop = loop
        self._received = received
        self._closed = closed
        self._queue: deque[bytes] = deque()
        self._open = True
        loop.watch(end.fileno(), self._turn)

    def fileno(self) -> int:
        """The descriptor, for the program that root executes in its place."""
        return self._end.fileno()

    @property
    def is_full(self) -> bool:
        """Whether the peer has not read so many messages that it is considered hung."""
        return len(self._queue) >= MOST_QUEUED

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> bool:
        """Send a message, or queue it until the peer reads; False when the peer is gone or the queue is full."""
        if not self._open:
            return False
        data = json.dumps(message, separators=(",", ":")).encode()
        if descriptors:
            # The forkserver always has room, because it gets one message at a time. Control may have none now.
            return self._try_send(data, descriptors) is True
        sent = False if self._queue else self._try_send(data)
        if sent is False:
            if self.is_full:
                return False
            self._queue.append(data)
            self._loop.set_writing(self._end.fileno(), self._turn, writing=True)
        return sent is not None

    def finish(self) -> None:
        """Process the messages that the peer sent before it ended, and close."""
        while self._open and self._receive():
            pass
        self.close()

    def close(self) -> None:
        """Stop watching, and discard what the peer has not read."""
        if self._open:
            self._open = False
            self._queue.clear()
            self._loop.unwatch(self._end.fileno())
            self._end.close()

    def _try_send(self, data: bytes, descriptors: Sequence[int] = ()) -> bool | None:
        """True when the data is sent, False when there is no room, None when the peer is gone."""
        try:
            if descriptors:
                socket.send_fds(self._end, [data], list(descriptors))
            else:
                self._end.send(data)
        except BlockingIOError:
            return False
        except OSError as error:
            write_line(f"cannot send to {self._name}: {error.strerror}", WARNING)
            return None
        return True

    def _turn(self) -> None:
        while self._queue and self._try_send(self._queue[0]) is not False:
            self._queue.popleft()
            if not self._queue:
                self._loop.set_writing(self._end.fileno(), self._turn, writing=False)
        for _ in range(AT_A_TIME):
            if not self._receive():
                return

    def _receive(self) -> bool:
        """Process one message; False when there is none."""
        try:
            data, _, flags, _ = self._end.recvmsg(LARGEST)
        except BlockingIOError:
            return False
        except OSError:
            data, flags = b"", 0
        if not data:
            self.close()
            self._closed()
            return False
        self._process(data, flags)
        return self._open

    def _process(self, data: bytes, flags: int) -> None:
        try:
            self._received(_object(data, flags))
        except Exception as error:
            # No message of another process may end root.
            write_line(f"cannot understand a message from {self._name}: {error!r}: {data[:200]!r}", WARNING)


def _object(data: bytes, flags: int) -> Message:
    if flags & socket.MSG_TRUNC:
        raise ValueError("the message is too long")
    if not data.startswith(b"{"):
        raise ValueError("the message is not an object")
    return json.loads(data)
