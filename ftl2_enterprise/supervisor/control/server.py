"""The server of the control socket: accepts a limited number of connections, and ends them when it is closed."""

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
"""Seconds for clients to read what was sent before their connections are closed."""
MOVING = 1.0
"""Seconds for which the previous socket still accepts; the clients in its queue are accepted at once."""
_BACKLOG = 1024
KEPT = 8
"""One of this many places is reserved for administrators. Clients without access share as few of the others."""
OF_VIEWERS = 2
"""One of this many places may be used by clients that can change nothing."""
OF_USER = 4
"""One of this many places may be used by the clients of one user who is no administrator."""
MAX_WATCHES = 256
"""Watches that one user who is no administrator may have at a time."""


class _Listening(socket.socket):
    """A socket of root: clients see the last process that called listen(2), which must stay root."""

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        """Do nothing."""


class ControlServer:
    """Accepts connections, and keeps them."""

    def __init__(self, answerer: Answerer, *, version: str, most: Callable[[], int]) -> None:
        self.answerer: Answerer = answerer
        self.version: str = version
        self.connections: set[Connection] = set()
        self._most: Callable[[], int] = most
        self.listener: socket.socket | None = None
        """The socket that clients connect to."""
        self._servers: list[asyncio.Server] = []
        self._empty: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept. The socket belongs to root, so its path stays when this server ends."""
        loop = asyncio.get_running_loop()
        listening = _Listening(fileno=listener.detach())
        if self.listener is None:
            self.listener = listening
        # Not create_unix_server, which would remove the path.
        self._servers.append(await loop.create_server(lambda: Connection(self), sock=listening, backlog=_BACKLOG))

    async def move(self, listener: socket.socket) -> None:
        """Accept on another socket. Connections stay, and clients in the queue of the previous one are accepted."""
        before, self.listener = self._servers[:], None
        await self.start(listener)
        for one in before:
            self._servers.remove(one)
            asyncio.get_running_loop().call_later(MOVING, one.close)

    async def close(self, why: Problem) -> None:
        """Stop accepting, and end every connection with the reason."""
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
        """Admit a connection, or return why not.

        Clients with little access must not exclude those with more, and one user must not exclude the others.
        """
        most = self._most()
        kept = most // KEPT
        connection.access = access = self.answerer.access_of(peer)
        if access is Access.ADMINISTER:
            limits = [(most, "", self.connections)]
        else:
            similar = [one for one in self.connections if one.access is access]
            limits = [
                (most - kept, "", self.connections),
                (most // OF_USER, f" of {peer.name}", [one for one in self.connections if one.peer.uid == peer.uid]),
            ]
            if access is None:
                limits.append((kept, " of users without access", similar))
            elif access is Access.VIEW:
                limits.append((most // OF_VIEWERS, " of users who may only view", similar))
        for limit, whose, found in limits:
            if len(found) >= max(limit, 1):
                return unavailable(
                    f"cannot connect: {len(found)} clients{whose} are connected, and no more are admitted",
                    "end some of them, or increase supervisor.max_connections",
                )
        self.connections.add(connection)
        return None

    def refuse_watch(self, connection: Connection) -> Problem | None:
        """Return why the client may not have another watch, if it has too many: each takes time at every commit."""
        if connection.access is Access.ADMINISTER:
            return None
        mine = sum(one.watches for one in self.connections if one.peer.uid == connection.peer.uid)
        if mine < MAX_WATCHES:
            return None
        return unavailable(
            f"cannot watch: {connection.peer.name} has {mine} watches, and no more are admitted", "end some of them"
        )

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if not self.connections and self._empty is not None:
            self._empty.set()

    def run[R](self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Execute a call independently of its connection: a write is not interrupted when the client disconnects."""
        # Eager, so that a watch begins before the next request of the client is answered.
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        # The event loop keeps only weak references to tasks.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
