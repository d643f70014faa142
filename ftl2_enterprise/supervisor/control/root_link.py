"""Control's channel to root: one JSON object a message, as decision 0008 lists them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 64 * 1024
_QUEUE = 1000
"""Messages that wait for a root that does not read; it always does, unless it is stopped or about to die."""

_log = logging.getLogger(__name__)


class TableLine(Wire, frozen=True):
    """A child that root has."""

    key: str
    pid: int | None
    at: Instant
    stopping: bool = False
    old: bool = False
    """Forked before an upgrade."""


class ProcessLine(Wire, frozen=True):
    """One of the supervisor's own processes."""

    name: str
    pid: int | None
    since: Instant | None = None
    restarts: int = 0


class RootHello(Wire, frozen=True):
    """How things stand; with `more`, only a part of the table."""

    started_at: Instant
    table: list[TableLine] = []
    booted: bool = False
    draining: bool = False
    processes: list[ProcessLine] = []
    alive_each: float | None = None
    """Seconds within which root wants to hear that the service lives, when somebody watches it."""
    problem: str = ""
    more: bool = False


class FromRoot(Wire, frozen=True):
    """A message: the field that is given says which."""

    hello: RootHello | None = None
    started: str | None = None
    ended: str | None = None
    pid: int | None = None
    at: Instant | None = None
    why: Why | None = None
    status: int | None = None
    signal: int | None = None
    ran: float = 0.0
    text: str | None = None
    number: int | None = None
    """Of an end: root tells of it again until it hears that this one is recorded."""
    drain: bool = False
    reload: bool = False
    problem: str | None = None
    """What root has found wrong; empty when it no longer is."""
    processes: list[ProcessLine] | None = None


class Limits(Wire, frozen=True, omit_defaults=True):
    """What the cgroup of a child may use."""

    memory: int | None = None
    """Bytes."""
    cpu: int | None = None
    """Percent of one processor."""
    pids: int | None = None


class Order(Wire, frozen=True):
    """What root is told to start for a key."""

    argument: str
    cgroup: Limits | None = None
    log: str | None = None
    """Where the child's own output goes."""


class RootLink:
    """Sends without waiting; hands on what comes."""

    def __init__(
        self, channel: socket.socket, told: Callable[[FromRoot], None], lost: Callable[[], None],
        given: Callable[[socket.socket], None] | None = None,
    ) -> None:  # fmt: skip
        channel.settimeout(0)
        self._channel: socket.socket = channel
        self._told: Callable[[FromRoot], None] = told
        self._lost: Callable[[], None] = lost
        self._given: Callable[[socket.socket], None] | None = given
        """Called with another socket to listen on."""
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._closed: bool = False
        self._loop.add_reader(channel, self._receive)

    @property
    def has_room(self) -> bool:
        """Whether what is sent now gets to root."""
        return not self._closed and len(self._waiting) < _QUEUE

    def start(self, key: str, order: Order) -> None:
        """Have a process forked for the key."""
        self.send({"start": key, **msgspec.to_builtins(order)})

    def recorded(self, number: int) -> None:
        """The end with that number is in the database, or not worth recording."""
        self.send({"recorded": number})

    def send(self, message: dict[str, Any]) -> bool:
        """Send it, now or as soon as root reads; False when too much waits for root already."""
        if not self.has_room:
            # Wake-ups are repeated by the next look, life signs by the next pulse.
            if not self._closed:
                _log.warning("root does not read: a message is dropped")
            return False
        self._waiting.append(_encoder.encode(message))
        if len(self._waiting) == 1:
            self._flush()
        return True

    def close(self) -> None:
        """Listen no more."""
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
        # All that has come, so that a table of many parts is whole before anybody looks at it.
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
            except msgspec.MsgspecError:
                _log.exception("root said something that cannot be understood")
                continue
            self._told(message)

    def _end(self) -> None:
        self.close()
        self._lost()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(FromRoot)
