"""The control socket's server: it accepts connections, at most so many, and ends them all when it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ftl2_enterprise.supervisor.control.access import Peer
    from ftl2_enterprise.supervisor.control.connection import Answerer

CLOSING = 1.0
"""Seconds that connections get to take what was sent before they are cut."""
MOVING = 1.0
"""Seconds that the one before is listened to yet; all that waits there is accepted at once."""
_BACKLOG = 1024
KEPT = 8
"""One of so many places is kept for administrators; who may do nothing gets as few of the others."""


class _Listening(socket.socket):
    """One that root listens on: the kernel names who listened last, and root is the service."""

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        """Nothing, as root does."""


class ControlServer:
    """Listens on one socket, and knows its connections."""

    def __init__(self, answerer: Answerer, *, version: str, most: Callable[[], int]) -> None:
        self.answerer: Answerer = answerer
        self.version: str = version
        self.connections: set[Connection] = set()
        self._most: Callable[[], int] = most
        self.listener: socket.socket | None = None
        """What clients connect to."""
        self._servers: list[asyncio.Server] = []
        self._empty: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept. The socket belongs to root: its path stays when this server ends."""
        loop = asyncio.get_running_loop()
        listening = _Listening(fileno=listener.detach())
        if self.listener is None:
            self.listener = listening
        # Not create_unix_server, which would remove the path.
        self._servers.append(await loop.create_server(lambda: Connection(self), sock=listening, backlog=_BACKLOG))

    async def move(self, listener: socket.socket) -> None:
        """Go on with this one. Who is connected stays, and who waits in the queue of those before is let in."""
        before, self.listener = self._servers[:], None
        await self.start(listener)
        for one in before:
            self._servers.remove(one)
            asyncio.get_running_loop().call_later(MOVING, one.close)

    async def close(self, why: Problem) -> None:
        """Accept no more, tell every connection why, and end it."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.end(why)
        if self.connections:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), CLOSING)
        for connection in list(self.connections):
            connection.abort()

    def admit(self, connection: Connection, peer: Peer) -> Problem | None:
        """Count the connection in, or say why not: whoever may do little must not keep out who may do more."""
        most = self._most()
        kept = most // KEPT
        access = self.answerer.access_of(peer)
        connection.is_stranger = access is None
        is_full = len(self.connections) >= (most if access is Access.ADMINISTER else most - kept)
        if is_full or (access is None and sum(one.is_stranger for one in self.connections) >= max(kept, 1)):
            return unavailable(
                f"cannot connect: {len(self.connections)} clients are connected, and no more are let in",
                "end some of them, or raise supervisor.max_connections",
            )
        self.connections.add(connection)
        return None

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if not self.connections and self._empty is not None:
            self._empty.set()

    def run[R](self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Go on with a call apart from its connection: what is being written is not cut off when the client goes."""
        # Eager: "from now on" of a watch is before whatever the client asks next is answered.
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        # The event loop itself holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
