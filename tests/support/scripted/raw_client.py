"""A client that sends whatever a test wants, byte by byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.protocol.envelope import VERSION, Call, FromService, Hello, Welcome
from ftl2_enterprise.protocol.frame import Splitter, framed

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 20.0


def packed(message: Any) -> bytes:
    return framed(msgspec.msgpack.encode(message))


def call(call_id: int, body: Any) -> bytes:
    return packed(Call(id=call_id, request=msgspec.Raw(msgspec.msgpack.encode(body))))


class RawClient:
    """Frames in and out over asyncio streams, each with a time limit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._splitter = Splitter()
        self._arrived: list[FromService] = []

    @classmethod
    async def connect(cls, path: Path, *, greet: bool = True) -> RawClient:
        made = cls(*await asyncio.open_unix_connection(str(path)))
        if greet:
            await made.send(packed(Hello(protocol=VERSION)))
            assert isinstance(await made.receive(), Welcome)
        return made

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(SECONDS):
            await self._writer.drain()

    def eof(self) -> None:
        self._writer.write_eof()

    async def receive(self) -> FromService | None:
        """The next message; None when the other side has closed."""
        while not self._arrived:
            try:
                async with asyncio.timeout(SECONDS):
                    data = await self._reader.read(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._arrived += [msgspec.msgpack.decode(body, type=FromService) for body in self._splitter.feed(data)]
        return self._arrived.pop(0)

    async def rest(self) -> list[FromService]:
        """Everything until the other side closes."""
        found: list[FromService] = []
        while (message := await self.receive()) is not None:
            found.append(message)
        return found

    async def close(self) -> None:
        self._writer.transport.abort()
        try:
            async with asyncio.timeout(SECONDS):
                await self._writer.wait_closed()
        except ConnectionError:
            pass
