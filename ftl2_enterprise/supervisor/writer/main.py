"""The writer: the only process of the service that writes the database.

It takes all work that its clients have queued, executes it in one transaction, and acknowledges it when the
transaction is on the disk. It never waits for more work: the next batch accumulates while one is committed.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import select
import signal
import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.supervisor.writer.batch import Batches
from ftl2_enterprise.supervisor.writer.peer import WriterPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.writer.batch import Given

PRUNE_EVERY = 60.0
"""Seconds."""
_PAUSE = 1.0
"""Seconds without new connections after the descriptors were exhausted."""
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_NO_FRAME = (Problem, msgspec.MsgspecError, ValueError, RecursionError)
"""The exceptions that malformed input leads to."""
_CREDENTIALS = struct.Struct("3i")

_log = logging.getLogger(__name__)


def main(listener: socket.socket, open_database: Callable[[], Store]) -> None:
    """Serve every client with the uid of this process, until a signal ends it.

    After the first TERM it accepts no more connections, and ends when the last client has disconnected. After a
    second TERM it ends when the work that it received is written.
    """
    _raise_the_limit_of_descriptors()
    batches = Batches(open_database)
    server = WriterServer(listener, batches)
    server.heed_signals()
    batches.prune()
    # The objects that exist now are never freed, and a garbage collection over all of them would delay every client.
    gc.freeze()
    try:
        server.run()
    finally:
        batches.close()


class WriterServer:
    """The connections, and the event loop that serves them."""

    def __init__(self, listener: socket.socket, batches: Batches) -> None:
        self._listener = listener
        self._batches = batches
        self._epoll = select.epoll()
        self._peers: dict[int, WriterPeer] = {}
        self._named: set[WriterPeer] = set()
        self._clients: Counter[str] = Counter()
        self._subscribers: set[WriterPeer] = set()
        self._queue: list[tuple[WriterPeer, Given]] = []
        self._terms = 0
        self._accepts = False
        self._accepts_again = 0.0
        self._prune_at = time.monotonic() + PRUNE_EVERY
        self._wake: socket.socket | None = None
        listener.settimeout(0.0)
        self._start_accepting()

    def heed_signals(self) -> None:
        """Handle TERM as `main` describes; only in the main thread."""
        self._wake, sender = socket.socketpair()
        self._wake.settimeout(0.0)
        sender.settimeout(0.0)
        signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.end())
        self._epoll.register(self._wake, select.EPOLLIN)

    def end(self) -> None:
        """Begin to end, as a TERM does."""
        self._terms += 1

    def run(self) -> None:
        """Serve until the end."""
        while not self._is_over():
            self._turn()

    def _is_over(self) -> bool:
        if self._terms and self._accepts:
            self._stop_accepting()
        return (self._terms == 1 and not self._peers) or (self._terms > 1 and not self._queue)

    def _turn(self) -> None:
        for fd, mask in self._epoll.poll(self._patience(), 4096):
            peer = self._peers.get(fd)
            if peer is not None:
                self._serve(peer, mask)
            elif fd == self._listener.fileno():
                self._accept()
            elif self._wake is not None and fd == self._wake.fileno():
                self._wake.recv(64)
        if self._queue:
            self._commit()
        now = time.monotonic()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            self._batches.prune()
        if not self._accepts and not self._terms and now >= self._accepts_again:
            self._start_accepting()

    def _patience(self) -> float:
        if self._queue:
            return 0.0
        until = self._prune_at if self._accepts or self._terms else min(self._prune_at, self._accepts_again)
        return max(0.0, until - time.monotonic())

    # --- connections -----------------------------------------------------------------------------------------------

    def _start_accepting(self) -> None:
        self._epoll.register(self._listener, select.EPOLLIN)
        self._accepts = True

    def _stop_accepting(self) -> None:
        self._epoll.unregister(self._listener)
        self._accepts = False

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    _log.warning("cannot accept a connection: %s", os.strerror(error.errno))
                    self._stop_accepting()
                    self._accepts_again = time.monotonic() + _PAUSE
                    return
                continue
            pid, uid = _identity(connection)
            if uid != os.geteuid():
                _log.warning("refused process %d of uid %d: only uid %d may write", pid, uid, os.geteuid())
                connection.close()
                continue
            connection.settimeout(0.0)
            peer = WriterPeer(connection, pid)
            self._peers[peer.fd] = peer
            self._epoll.register(peer.fd, select.EPOLLIN)

    def _serve(self, peer: WriterPeer, mask: int) -> None:
        try:
            if mask & select.EPOLLOUT:
                self._flush(peer)
            if mask & ~select.EPOLLOUT:
                self._receive(peer)
        except BlockingIOError:
            pass
        except _NO_FRAME as error:
            _log.warning("ended the connection of process %d: %s", peer.pid, error)
            self._drop(peer)
        except OSError:
            self._drop(peer)

    def _receive(self, peer: WriterPeer) -> None:
        try:
            for given in peer.receive():
                self._queue.append((peer, given))
        finally:
            # Also if the input after its name was malformed.
            if peer.client and peer not in self._named:
                self._named.add(peer)
                self._clients[peer.client] += 1
        if peer.asks_for_news:
            peer.asks_for_news = False
            self._subscribers.add(peer)
            peer.notice(self._batches.present_state())
            self._flush(peer)

    def _drop(self, peer: WriterPeer) -> None:
        if self._peers.get(peer.fd) is not peer:
            return
        del self._peers[peer.fd]
        self._epoll.unregister(peer.fd)
        peer.close()
        self._subscribers.discard(peer)
        if peer in self._named:
            self._named.discard(peer)
            self._clients[peer.client] -= 1
            if not self._clients[peer.client]:
                del self._clients[peer.client]
                self._batches.forget(peer.client)

    def _flush(self, peer: WriterPeer) -> None:
        """Send what can be sent. While something is left, nothing is read from this client: it delays only itself."""
        is_blocked = peer.send()
        if is_blocked != peer.waits:
            peer.waits = is_blocked
            self._epoll.modify(peer.fd, select.EPOLLOUT if is_blocked else select.EPOLLIN)

    # --- writing ---------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        reach(FaultPoint.WRITER_TOOK)
        answers = self._batches.execute([given for _, given in self._queue])
        batch, self._queue = self._queue[: len(answers)], self._queue[len(answers) :]
        reach(FaultPoint.WRITER_COMMITTED)
        peers: dict[WriterPeer, None] = {}
        for (peer, _), answer in zip(batch, answers, strict=True):
            peer.answer(answer)
            peers[peer] = None
        if self._batches.notice is not None:
            for peer in self._subscribers:
                peer.notice(self._batches.notice)
                peers[peer] = None
        for peer in peers:
            # The descriptor may have been closed and assigned to another connection since.
            if self._peers.get(peer.fd) is peer:
                try:
                    self._flush(peer)
                except OSError:
                    self._drop(peer)
        reach(FaultPoint.WRITER_ACKNOWLEDGED)


def _identity(connection: socket.socket) -> tuple[int, int]:
    """Pid and uid of the client."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


def _raise_the_limit_of_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
