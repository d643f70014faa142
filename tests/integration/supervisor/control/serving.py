"""A server of the control socket whose requests are answered by a script."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import conflict, unavailable
from ftl2_enterprise.protocol.envelope import Reply
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control.server import ControlServer
from tests.support.scripted.raw_client import SECONDS, RawClient, call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from ftl2_enterprise.supervisor.control.access import Peer
    from ftl2_enterprise.supervisor.control.connection import Answer

ITEM = msgspec.msgpack.encode("x" * 1000)


class Script:
    """Answers as the body requests: `echo`, `big`, `fail`, `crash`, `wait`, `count`, `endless`."""

    def __init__(self) -> None:
        self.given = 0
        self.finished: list[str] = []
        self.go = asyncio.Event()

    def access_of(self, peer: Peer) -> Access | None:
        return Access.ADMINISTER

    def begin(self, body: msgspec.Raw, peer: Peer) -> Answer:
        what = msgspec.msgpack.decode(body)
        match what:
            case "fail":
                raise conflict("cannot do it", "do something else")
            case "crash":
                raise RuntimeError("a secret")
            case "big":
                return msgspec.msgpack.encode(b"x" * (17 * 1024 * 1024))
            case "large":
                return msgspec.msgpack.encode("x" * 100_000)
            case "wait" | "late":
                return self._wait(what)
            case "count":
                return self._count()
            case "endless":
                return self._endless()
            case "broken":
                return self._broken()
            case _:
                return bytes(body)

    async def _wait(self, what: str) -> bytes:
        await self.go.wait()
        self.finished.append(what)
        return msgspec.msgpack.encode(what)

    async def _count(self) -> AsyncGenerator[bytes]:
        for number in range(3):
            yield msgspec.msgpack.encode(number)

    async def _endless(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.given += 1
                yield ITEM
        finally:
            self.finished.append("endless")

    async def _broken(self) -> AsyncGenerator[bytes]:
        yield ITEM
        raise conflict("cannot continue")


class Fixture:
    def __init__(self, path: Path, script: Script, server: ControlServer) -> None:
        self.path = path
        self.script = script
        self.server = server

    async def connect(self, *, greet: bool = True) -> RawClient:
        return await RawClient.connect(self.path, greet=greet)

    async def answers(self) -> None:
        """Other connections are still answered."""
        other = await self.connect()
        await other.send(call(1, "echo"))
        assert await other.receive() == Reply(id=1, result=msgspec.Raw(msgspec.msgpack.encode("echo")))
        await other.close()


@asynccontextmanager
async def serving(directory: Path, *, most: int = 256) -> AsyncGenerator[Fixture]:
    path = directory / "control.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(128)
    script = Script()
    server = ControlServer(script, version="1.2.3", most=lambda: most)
    await server.start(listener)
    try:
        yield Fixture(path, script, server)
    finally:
        script.go.set()
        await server.close(unavailable("cannot continue: the test is over"))
        assert not server.connections


async def until(condition: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def text(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))
