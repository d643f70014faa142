"""The connection of one client. Everything that is held for a client has a limit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, cast, override

import msgspec

from ftl2_enterprise.core.problem import Code, Problem, invalid, unavailable
from ftl2_enterprise.core.wire import UNDECODABLE, why_undecodable
from ftl2_enterprise.protocol.envelope import (
    VERSION,
    Call,
    Cancel,
    Done,
    Failure,
    FromClient,
    FromService,
    Hello,
    Item,
    Reply,
    Welcome,
)
from ftl2_enterprise.protocol.frame import Splitter, framed
from ftl2_enterprise.supervisor.control.access import peer_of
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Coroutine

    from ftl2_enterprise.protocol.verb import Access
    from ftl2_enterprise.supervisor.control.access import Peer

MAX_REQUEST = 1024 * 1024
"""Bytes of the longest frame that a client may send."""
MAX_CALLS = 64
"""Calls of one connection that may be open at a time."""
HELLO_WITHIN = 10.0
"""Seconds within which a client has to send its hello."""
_HIGH, _LOW = 256 * 1024, 64 * 1024
"""Bytes that wait for the client. At the first limit nothing more is read or sent until the second is reached."""
_SLICE = 0.005
"""Seconds that the frames of one client may take before the others have their turn."""
_LINGER = 5.0
"""Seconds that a client has to read why its connection ends."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[FromClient] = msgspec.msgpack.Decoder(FromClient)

type Answer = bytes | Coroutine[Any, Any, bytes] | AsyncGenerator[bytes]
"""An encoded reply: at once, later, or as the items of a watch."""


class Answerer(Protocol):
    """What executes requests."""

    def begin(self, body: msgspec.Raw, peer: Peer) -> Answer:
        """Answer a request, or begin to. Raises Problem; so may awaiting and iterating the result."""
        ...

    def access_of(self, peer: Peer) -> Access | None:
        """The highest access of the peer; None if it has none."""
        ...


class ConnectionOwner(Protocol):
    """What a connection needs of its server."""

    answerer: Answerer
    version: str
    """Of the program."""

    def admit(self, connection: Connection, peer: Peer) -> Problem | None:
        """Count a connection; returns why it is refused, if it is."""
        ...

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        ...

    def refuse_watch(self, connection: Connection) -> Problem | None:
        """Return why the client of a connection may not have another watch, if it may not."""
        ...

    def run[R](self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Execute a call, which continues when its connection ends."""
        ...


class Connection(asyncio.Protocol):
    """Exchanges the messages of `protocol.envelope` with one client."""

    def __init__(self, server: ConnectionOwner) -> None:
        self._server: ConnectionOwner = server
        self._splitter: Splitter = Splitter(MAX_REQUEST)
        self._frames: deque[bytes] = deque()
        """Complete frames that are not processed yet. While there are any, nothing more is read."""
        self._broken: Problem | None = None
        """What is wrong with the input after them."""
        self._calls: dict[int, asyncio.Task[FromService]] = {}
        self._watches: set[int] = set()
        self._greeted: bool = False
        self._ending: bool = False
        self._pumping: bool = False
        self._flowing: asyncio.Event = asyncio.Event()
        """Set while the client reads what it is sent."""
        self._flowing.set()
        self.access: Access | None = None
        """The highest access of the client; None if it has none."""

    # --- callbacks of asyncio --------------------------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Identify the client, and admit or refuse it."""
        self._transport: asyncio.Transport = cast("asyncio.Transport", transport)
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(_HIGH, _LOW)
        self._limit: asyncio.TimerHandle = self._loop.call_later(HELLO_WITHIN, self._not_greeted)
        try:
            self.peer: Peer = peer_of(cast("socket.socket", transport.get_extra_info("socket")))
        except OSError:
            # An unidentified client gets no answer.
            self.abort()
            return
        if refused := self._server.admit(self, self.peer):
            self.end(refused)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. Requests that are being written continue."""
        self._ending = True
        self._limit.cancel()
        self._server.dismiss(self)
        self._frames.clear()
        self._flowing.set()
        for call_id in self._watches:
            self._calls[call_id].cancel()

    @override
    def data_received(self, data: bytes) -> None:
        """Split the input into frames, and process them."""
        if self._ending:
            return
        try:
            self._frames.extend(self._splitter.feed(data))
        except Problem as problem:
            self._broken = problem
        self._pump()

    @override
    def eof_received(self) -> bool:
        """The client sends no more: close, after a message if it stopped within a frame."""
        if self._splitter.pending and not self._ending:
            self.end(invalid(f"cannot accept a message that ends after {self._splitter.pending} bytes"))
        return False

    @override
    def pause_writing(self) -> None:
        """Stop reading and sending: the client does not read."""
        self._flowing.clear()

    @override
    def resume_writing(self) -> None:
        """Continue: the client reads again."""
        self._flowing.set()
        self._pump_soon()

    @property
    def watches(self) -> int:
        """How many watches of the client are open."""
        return len(self._watches)

    @property
    def buffered(self) -> int:
        """Bytes that are held for this client."""
        waiting = sum(len(frame) for frame in self._frames)
        return self._transport.get_write_buffer_size() + waiting + self._splitter.pending

    # --- ending ----------------------------------------------------------------------------------------------------

    def end(self, why: Problem) -> None:
        """Send the reason, and close."""
        if self._ending:
            return
        self._send(Failure(id=0, code=why.code, message=why.message, hint=why.hint))
        self._ending = True
        self._frames.clear()
        self._transport.close()
        # Closing waits until the client has read everything, which may never happen.
        self._limit.cancel()
        self._limit = self._loop.call_later(_LINGER, self.abort)

    def abort(self) -> None:
        """Close without waiting for the client."""
        self._ending = True
        self._transport.abort()

    def _not_greeted(self) -> None:
        self.end(invalid(f"cannot wait any longer: no hello was received within {HELLO_WITHIN:g} s"))

    # --- frames in -------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Process frames until there are no more, the turn of the client is over, or it does not read replies."""
        self._pumping = False
        until = time.monotonic() + _SLICE
        while self._frames and not self._ending and self._flowing.is_set():
            self._take(self._frames.popleft())
            if self._frames and time.monotonic() > until:
                self._pump_soon()
                break
        if self._ending:
            return
        if not self._frames and self._broken is not None:
            self.end(self._broken)
        elif self._frames or not self._flowing.is_set():
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _pump_soon(self) -> None:
        if not self._pumping and not self._ending:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _take(self, body: bytes) -> None:
        try:
            message = _decoder.decode(body)
        except UNDECODABLE as error:
            self.end(invalid(f"cannot decode the message: {why_undecodable(error)}"))
            return
        match message:
            case Hello() if self._greeted:
                self.end(invalid("cannot accept a second hello"))
            case Hello():
                self._greet(message)
            case _ if not self._greeted:
                self.end(invalid("cannot accept a call before the hello"))
            case Call():
                self._call(message)
            case Cancel():
                # Another id belongs to a watch that has ended in the meantime.
                if message.id in self._watches:
                    self._calls[message.id].cancel()

    def _greet(self, hello: Hello) -> None:
        if hello.protocol != VERSION:
            self.end(
                invalid(
                    f"cannot serve a client with version {hello.protocol} of the protocol: "
                    f"this service has version {VERSION}",
                    f"use the ftl2ctl of version {self._server.version}",
                )
            )
            return
        self._greeted = True
        self._limit.cancel()
        self._send(Welcome(protocol=VERSION, version=self._server.version))

    def _call(self, call: Call) -> None:
        if call.id == 0 or call.id in self._calls:
            # The client could not distinguish the two answers.
            self.end(invalid(f"cannot accept a call with the id {call.id}: it is in use"))
            return
        if len(self._calls) >= MAX_CALLS:
            problem = unavailable(
                f"cannot accept more than {MAX_CALLS} calls of a connection at a time", "wait for a reply"
            )
            self._send(failure_of(call.id, problem))
            return
        try:
            answer = self._server.answerer.begin(call.request, self.peer)
        except Exception as error:
            self._send(failure_of(call.id, error))
            return
        if isinstance(answer, bytes):
            self._send(Reply(id=call.id, result=msgspec.Raw(answer)))
            return
        if isinstance(answer, AsyncIterator):
            if (refused := self._server.refuse_watch(self)) is not None:
                self._send(failure_of(call.id, refused))
                return
            self._watches.add(call.id)
            task = self._server.run(self._watch(call.id, answer))
        else:
            task = self._server.run(_later(call.id, answer))
        self._calls[call.id] = task
        # A callback, because a task that is cancelled before its first step executes no code.
        task.add_done_callback(lambda done: self._finish(call.id, done))

    # --- replies and items out -------------------------------------------------------------------------------------

    async def _watch(self, call_id: int, items: AsyncGenerator[bytes]) -> FromService:
        """Send the items one after the other; returns the last message."""
        until = time.monotonic() + _SLICE
        try:
            async with aclosing(items):
                async for item in items:
                    self._send(Item(id=call_id, item=msgspec.Raw(item)))
                    await self._flowing.wait()
                    if time.monotonic() > until:
                        await asyncio.sleep(0)
                        until = time.monotonic() + _SLICE
        except Exception as error:
            return failure_of(call_id, error)
        return Done(id=call_id)

    def _finish(self, call_id: int, task: asyncio.Task[FromService]) -> None:
        del self._calls[call_id]
        self._watches.discard(call_id)
        self._send(Done(id=call_id) if task.cancelled() else task.result())

    def _send(self, message: FromService) -> None:
        if self._ending or self._transport.is_closing():
            return
        try:
            frame = framed(_encoder.encode(message))
        except Problem as problem:
            assert isinstance(message, Reply | Item)
            frame = framed(_encoder.encode(failure_of(message.id, problem)))
        self._transport.write(frame)


async def _later(call_id: int, answer: Coroutine[Any, Any, bytes]) -> FromService:
    try:
        return Reply(id=call_id, result=msgspec.Raw(await answer))
    except Exception as error:
        return failure_of(call_id, error)


def failure_of(call_id: int, error: Exception) -> Failure:
    """The answer for an error. An unexpected exception is logged with an id, and only the id is sent."""
    if not isinstance(error, Problem):
        crash_id = log.crash(error)
        error = Problem(
            Code.INTERNAL,
            f"cannot continue: internal error {crash_id}",
            hint=f"the log of the service has the details under {crash_id}",
        )
    return Failure(id=call_id, code=error.code, message=error.message, hint=error.hint)
