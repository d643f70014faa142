"""Control's side of readers: how many there are at a time, and how long each may take."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.supervisor.readers.messages import MOST, ReadReply, ReadRequest
from ftl2_enterprise.supervisor.readers.process import LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.readers.messages import Reading

WITHIN = 20.0
"""Seconds that reading may take, and waiting for a free reader."""
MOST_READERS = 8
"""Readers at a time."""
MOST_IDLE = 2
"""Readers that are kept for later requests."""
IDLE = 10.0
"""Seconds after which a reader is not kept any longer."""
PROGRAM = "ftl2_enterprise.entrypoints.readers"
CHUNK = 1 << 18


class ReaderCrashed(Exception):
    """A reader raised an unexpected exception; the message is its traceback."""


class Readers:
    """Reads what requests name, each in its own process."""

    def __init__(
        self, argument: Callable[[], str], connection: socket.socket | None = None, *, within: float = WITHIN
    ) -> None:
        """`argument` is that of a child, with the settings in force.

        `connection` leads to the process that forks readers. Without it, or when that process was killed, another one
        is executed, which takes longer to start.
        """
        self._argument = argument
        self._connection = connection
        self._process: subprocess.Popen[bytes] | None = None
        self._within = within
        self._free = asyncio.Semaphore(MOST_READERS)
        self._idle: list[socket.socket] = []

    async def read[Q, R](self, reading: Reading[Q, R], request: Q) -> R:
        """The result of the reading. Raises Problem, and ReaderCrashed."""
        try:
            async with asyncio.timeout(self._within):
                async with self._free:
                    reply = await self._ask(reading, request)
        except TimeoutError as error:
            raise unavailable(
                f"cannot read {reading.names(request)} within {self._within:g} seconds",
                "check the file systems, and how long programs among the files take",
            ) from error
        if reply is None:
            raise unavailable(
                f"cannot read {reading.names(request)}: the process that read it was killed",
                "check the sizes of the files and the free memory of the machine, and try again",
            )
        if reply.crash:
            raise ReaderCrashed(reply.crash)
        if reply.code is not None:
            raise Problem(reply.code, reply.message, hint=reply.hint)
        return msgspec.msgpack.decode(reply.result, type=reading.gives)

    def close(self) -> None:
        """End the process that forks readers, and all readers."""
        for reader in self._idle:
            reader.close()
        self._idle.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.wait()

    async def _ask(self, reading: Reading[Any, Any], request: Any) -> ReadReply | None:
        """The reply; None if the reader ended without one."""
        body = msgspec.msgpack.encode(
            ReadRequest(
                reading=reading.name,
                argument=self._argument(),
                request=msgspec.Raw(msgspec.msgpack.encode(request)),
            )
        )
        while (reader := self._take_idle()) is not None:
            # It may end at this moment. Reading changes nothing, so it can be repeated.
            if (reply := await self._exchange(reader, body)) is not None:
                return reply
        if (reply := await self._exchange(self._open(), body)) is None and self._is_gone():
            # The process that forks readers was killed, and with it all readers.
            reply = await self._exchange(self._open(), body)
        return reply

    async def _exchange(self, reader: socket.socket, body: bytes) -> ReadReply | None:
        """The reply of this reader, which is idle then or closed; None if it ended without one."""
        is_idle = False
        try:
            reply = await _exchange(reader, body)
            is_idle = len(self._idle) < MOST_IDLE
        except ConnectionError:
            return None
        else:
            return reply
        finally:
            if is_idle:
                self._idle.append(reader)
                asyncio.get_running_loop().call_later(IDLE, self._dismiss, reader)
            else:
                reader.close()

    def _take_idle(self) -> socket.socket | None:
        return self._idle.pop() if self._idle else None

    def _dismiss(self, reader: socket.socket) -> None:
        """Close a reader that was not used since, or was used and is idle again: others are as good."""
        if reader in self._idle:
            self._idle.remove(reader)
            reader.close()

    def _open(self) -> socket.socket:
        """A connection to a new reader. Raises Problem."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - its only form
        with theirs:
            try:
                if self._connection is None or self._is_gone():
                    self._execute()
                assert self._connection is not None
                socket.send_fds(self._connection, [b"r"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise unavailable(
                    f"cannot start a process that reads files: {error.strerror}",
                    "check the memory of the machine and the limits of the service",
                ) from error
        return ours

    def _is_gone(self) -> bool:
        """Whether the process that forks readers has ended: it sends nothing, so only the end can be read."""
        if self._connection is None:
            return True
        try:
            self._connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def _execute(self) -> None:
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self._connection = ours


async def _exchange(reader: socket.socket, body: bytes) -> ReadReply:
    """Send a request and receive the reply. Raises ConnectionError when the reader ends before."""
    running = asyncio.get_running_loop()
    await running.sock_sendall(reader, LENGTH.pack(len(body)) + body)
    received = bytearray()
    size = LENGTH.size
    while len(received) < size:
        chunk = await running.sock_recv(reader, CHUNK)
        if not chunk:
            raise ConnectionError("a reader ended without a reply")
        received += chunk
        if size == LENGTH.size and len(received) >= size:
            size += min(LENGTH.unpack_from(received)[0], MOST)
    return msgspec.msgpack.decode(memoryview(received)[LENGTH.size :], type=ReadReply)
