"""A service that plays a script: it speaks the protocol over a Unix socket, and its state is plain Python."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.envelope import (
    VERSION,
    Call,
    Cancel,
    Done,
    Failure,
    FromClient,
    Hello,
    Item,
    Reply,
    VerbOf,
    Welcome,
)
from ftl2_enterprise.protocol.frame import Splitter, framed
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.protocol.verb import Request, is_watch

if TYPE_CHECKING:
    from pathlib import Path

type Handler = Callable[[Any], Any]
"""Takes a request and returns the reply; raises Problem. Of a watch it returns a Stream, or items to send at once."""

_encode = msgspec.msgpack.encode
_from_client = msgspec.msgpack.Decoder(FromClient)


class Stream:
    """Items for everybody who watches, from now on; those of `first` are sent to each watcher at once."""

    def __init__(self, first: Iterable[Any] = ()) -> None:
        self.first = list(first)
        self._watchers: list[queue.SimpleQueue[Any]] = []
        self._lock = threading.Lock()

    def send(self, item: Any) -> None:
        with self._lock:
            for watcher in self._watchers:
                watcher.put(item)

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    def join(self) -> queue.SimpleQueue[Any]:
        mine: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            for item in self.first:
                mine.put(item)
            self._watchers.append(mine)
        return mine

    def leave(self, mine: queue.SimpleQueue[Any]) -> None:
        with self._lock:
            self._watchers.remove(mine)


class ScriptedService:
    """Start it, let it answer, check what it was asked. `stop` and `start` are a restart of the service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Views ask for freezes; most scripts have none.
        self.handlers: dict[type[Request[Any]], Handler] = {ListFreezes: lambda _: []}
        self.asked: list[Request[Any]] = []
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def on(self, verb: type[Request[Any]], handler: Handler | Any) -> None:
        """Answer the verb by calling the handler, or with that value."""
        self.handlers[verb] = handler if callable(handler) else lambda _request: handler

    def asked_for[R: Request[Any]](self, verb: type[R]) -> list[R]:
        return [request for request in self.asked if isinstance(request, verb)]

    def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(16)
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """End the service and every connection, as a restart does."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "the scripted service does not end"
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        splitter, over = Splitter(), threading.Event()
        lock = threading.Lock()
        watches: dict[int, threading.Event] = {}

        def send(message: Any) -> None:
            with contextlib.suppress(OSError), lock:
                connection.sendall(framed(_encode(message)))

        try:
            while data := connection.recv(65536):
                for body in splitter.feed(data):
                    message: FromClient = _from_client.decode(body)
                    match message:
                        case Hello():
                            send(Welcome(protocol=VERSION, version="0.1.0"))
                        case Cancel(id=call_id):
                            watches[call_id].set()
                        case Call(id=call_id, request=raw):
                            ended = watches[call_id] = threading.Event()
                            self._answer(call_id, raw, send, ended, over)
        except OSError:
            pass
        finally:
            over.set()
            self._connections.discard(connection)
            connection.close()

    def _answer(
        self,
        call_id: int,
        raw: msgspec.Raw,
        send: Callable[[Any], None],
        ended: threading.Event,
        over: threading.Event,
    ) -> None:
        verb = CATALOGUE[msgspec.msgpack.decode(raw, type=VerbOf).type]
        request = msgspec.msgpack.decode(raw, type=verb)
        self.asked.append(request)
        try:
            handler = self.handlers.get(verb)
            if handler is None:
                raise Problem(Code.INTERNAL, f"cannot play {verb.__name__}: the script does not have it")
            result = handler(request)
        except Problem as problem:
            send(Failure(id=call_id, code=problem.code, message=problem.message, hint=problem.hint))
            return
        if not is_watch(verb):
            send(Reply(id=call_id, result=msgspec.Raw(_encode(result))))
        elif isinstance(result, Stream):
            self._spawn(_stream, result, call_id, send, ended, over)
        else:
            for item in result:
                send(Item(id=call_id, item=msgspec.Raw(_encode(item))))
            send(Done(id=call_id))


def _stream(
    source: Stream, call_id: int, send: Callable[[Any], None], ended: threading.Event, over: threading.Event
) -> None:
    mine = source.join()
    try:
        while not ended.is_set() and not over.is_set():
            with contextlib.suppress(queue.Empty):
                send(Item(id=call_id, item=msgspec.Raw(_encode(mine.get(timeout=0.02)))))
    finally:
        source.leave(mine)
