"""The writer's client of control: many units of work at once over one connection, and notices of commits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, override

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.wire import UNDECODABLE
from ftl2_enterprise.protocol.frame import Splitter
from ftl2_enterprise.supervisor.writer.frames import LONGEST, Committed, Subscribe, decode_from_writer, pack
from ftl2_enterprise.supervisor.writer.lane import PATIENCE, Lane, given_up, hello, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.writer.frames import Failed, WorkDone
    from ftl2_enterprise.supervisor.writer.lane import SubmittedWork

LANES = 256
"""Pieces of work in progress at a time; more wait for their turn."""
SHORT = 1.0
"""Seconds. After connections that ended sooner, the delay before the next attempt grows."""

_log = logging.getLogger(__name__)


class WriterClient:
    """Reconnects whenever the connection is lost. Call `start` and `close` in the event loop that uses it."""

    def __init__(self, address: str, *, patience: float = PATIENCE) -> None:
        self._address = address
        self._patience = patience
        self._hello = hello()
        self._free = [Lane(number) for number in reversed(range(LANES))]
        self._turn = asyncio.Semaphore(LANES)
        self._waiting: dict[int, tuple[SubmittedWork, asyncio.Future[WorkDone | Failed]]] = {}
        self._callbacks: list[Callable[[Committed], object]] = []
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._task = asyncio.create_task(self._stay_connected(), name="writer")

    async def close(self) -> None:
        """Close the connection, without waiting for work in progress."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def execute(self, calls: Sequence[UnitCall], *, actor: str | None = None, gives_up: bool = True) -> Any:
        """As Writer.execute; Problem(unavailable) also when the writer does not answer for too long.

        A cancellation does not undo submitted work, and neither does giving up. Work that must not be executed twice
        has to be submitted with `gives_up=False`.
        """
        try:
            async with asyncio.timeout(self._patience if gives_up else None), self._turn:
                submitted, answer = await self._submitted(calls, actor)
        except TimeoutError:
            raise given_up(self._patience) from None
        return submitted.result(answer)

    def subscribe(self, callback: Callable[[Committed], object]) -> Callable[[], None]:
        """Call back with every notice of a commit, until the returned function is called.

        The first notice is sent at once, and one after each reconnection, so that no commit is missed.
        """
        self._send(pack(Subscribe()))
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def _submitted(
        self, calls: Sequence[UnitCall], actor: str | None
    ) -> tuple[SubmittedWork, WorkDone | Failed]:
        lane = self._free.pop()
        try:
            submitted = lane.submit(calls, actor)
            answer = asyncio.get_running_loop().create_future()
            self._waiting[submitted.lane] = submitted, answer
            try:
                self._send(submitted.frame)
                return submitted, await answer
            finally:
                del self._waiting[submitted.lane]
        finally:
            self._free.append(lane)

    def _send(self, frame: bytes) -> None:
        # Without a connection it is sent when there is one.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    async def _stay_connected(self) -> None:
        running, failures = asyncio.get_running_loop(), 0
        while True:
            began = running.time()
            ended = running.create_future()
            try:
                transport, _ = await running.create_unix_connection(
                    lambda ended=ended: _WriterConnection(self.take, ended), self._address
                )
            except OSError as error:
                if not failures:
                    _log.warning("cannot reach the writer: %s", error)
            else:
                await self._use(transport, ended)
            failures = failures + 1 if running.time() - began < SHORT else 1
            await asyncio.sleep(pause(failures))

    async def _use(self, transport: asyncio.Transport, ended: asyncio.Future[None]) -> None:
        try:
            transport.write(self._hello)
            if self._callbacks:
                transport.write(pack(Subscribe()))
            for submitted, _ in self._waiting.values():
                transport.write(submitted.frame)
            self._transport = transport
            await ended
        finally:
            self._transport = None
            transport.abort()

    def take(self, message: WorkDone | Failed | Committed) -> None:
        """Process a message of the writer."""
        if isinstance(message, Committed):
            for callback in tuple(self._callbacks):
                try:
                    callback(message)
                except Exception:
                    _log.exception("a subscriber failed on a notice of the writer")
            return
        submitted, answer = self._waiting.get(message.lane, (None, None))
        if submitted is not None and answer is not None and submitted.number == message.number and not answer.done():
            answer.set_result(message)


class _WriterConnection(asyncio.Protocol):
    def __init__(self, take: Callable[[WorkDone | Failed | Committed], None], ended: asyncio.Future[None]) -> None:
        self._take = take
        self._ended = ended
        self._splitter = Splitter(LONGEST)
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                self._take(decode_from_writer(body))
        except (Problem, *UNDECODABLE) as error:
            _log.warning("a message of the writer cannot be decoded: %s", error)
            assert self._transport is not None
            self._transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
