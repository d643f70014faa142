"""One end of a pair of sequenced-packet sockets with a JSON object a message; it never waits for the other end."""

from __future__ import annotations

import json
import socket
from collections import deque

from ftl2_enterprise.supervisor.root.stderr import WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ftl2_enterprise.supervisor.root.event_loop import Loop

    type Message = dict[str, Any]

LARGEST = 65536
MOST_QUEUED = 4096
AT_A_TIME = 64
"""Messages that are read before somebody else has a turn."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """Root's end."""

    def __init__(
        self, name: str, end: socket.socket, loop: Loop, *, received: Callable[[Message], None],
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
        """Its descriptor, for the one that takes over."""
        return self._end.fileno()

    @property
    def is_full(self) -> bool:
        """Whether too much waits for the other end."""
        return len(self._queue) >= MOST_QUEUED

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> bool:
        """Send it or keep it until the other end reads; False when nobody is there or too much waits already."""
        if not self._open:
            return False
        data = json.dumps(message, separators=(",", ":")).encode()
        if descriptors:
            # The forkserver has always room: one message is under way at a time. Control may have none now.
            return self._try_send(data, descriptors) is True
        sent = False if self._queue else self._try_send(data)
        if sent is False:
            if self.is_full:
                return False
            self._queue.append(data)
            self._loop.want_write(self._end.fileno(), self._turn, writing=True)
        return sent is not None

    def finish(self) -> None:
        """Read what the other end has said before it ended, and end it."""
        while self._open and self._ready():
            pass
        self.close()

    def close(self) -> None:
        """End it."""
        if self._open:
            self._open = False
            self._queue.clear()
            self._loop.unwatch(self._end.fileno())
            self._end.close()

    def _try_send(self, data: bytes, descriptors: Sequence[int] = ()) -> bool | None:
        """True when it is sent, False when there is no room, None when nobody is there."""
        try:
            if descriptors:
                socket.send_fds(self._end, [data], list(descriptors))
            else:
                self._end.send(data)
        except BlockingIOError:
            return False
        except OSError as error:
            say(f"cannot send to {self._name}: {error.strerror}", WARNING)
            return None
        return True

    def _turn(self) -> None:
        while self._queue and self._try_send(self._queue[0]) is not False:
            self._queue.popleft()
            if not self._queue:
                self._loop.want_write(self._end.fileno(), self._turn, writing=False)
        for _ in range(AT_A_TIME):
            if not self._ready():
                return

    def _ready(self) -> bool:
        """Take one message; False when there is none."""
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
        self._take(data, flags)
        return self._open

    def _take(self, data: bytes, flags: int) -> None:
        try:
            self._received(_object(data, flags))
        except Exception as error:
            # Whatever the others say, root lives on.
            say(f"cannot understand a message from {self._name}: {error!r}: {data[:200]!r}", WARNING)


def _object(data: bytes, flags: int) -> Message:
    if flags & socket.MSG_TRUNC:
        raise ValueError("it is too long")
    if not data.startswith(b"{"):
        raise ValueError("it is no object")
    return json.loads(data)
