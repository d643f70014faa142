"""The server of the control socket over a real one: limits, back-pressure, and malformed input."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from ftl2_enterprise.core.problem import Code, conflict, unavailable
from ftl2_enterprise.protocol.envelope import VERSION, Call, Cancel, Done, Failure, Hello, Item, Reply
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control import connection
from ftl2_enterprise.supervisor.control.connection import MAX_CALLS, MAX_REQUEST
from ftl2_enterprise.supervisor.control.server import ControlServer
from tests.support.raw_client import SECONDS, RawClient, call, packed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
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


async def test_calls_and_watches_share_a_connection_and_are_answered_in_any_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(7, "wait") + call(8, "count") + call(9, "echo"))
        first = [await client.receive() for _ in range(5)]
        assert Reply(id=9, result=text("echo")) in first
        assert [one for one in first if one is not None and getattr(one, "id", 0) == 8] == [
            *(Item(id=8, item=text(number)) for number in range(3)),
            Done(id=8),
        ]
        service.script.go.set()
        assert await client.receive() == Reply(id=7, result=text("wait"))
        await client.close()


async def test_problems_are_sent_unchanged_and_other_errors_only_as_an_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "fail") + call(2, "crash") + call(3, "echo"))
        assert await client.receive() == Failure(
            id=1, code=Code.CONFLICT, message="cannot do it", hint="do something else"
        )
        crash = await client.receive()
        assert isinstance(crash, Failure)
        assert (crash.id, crash.code) == (2, Code.INTERNAL)
        assert crash.message.startswith("cannot continue: internal error ")
        assert "secret" not in f"{crash.message} {crash.hint}"
        assert await client.receive() == Reply(id=3, result=text("echo"))
        await client.send(call(4, "broken"))
        assert await client.receive() == Item(id=4, item=msgspec.Raw(ITEM))
        assert await client.receive() == Failure(id=4, code=Code.CONFLICT, message="cannot continue")
        await client.close()


async def test_a_reply_that_is_too_long_fails_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "big") + call(2, "echo"))
        failed = await client.receive()
        assert isinstance(failed, Failure)
        assert (failed.id, failed.code) == (1, Code.INVALID)
        assert await client.receive() == Reply(id=2, result=text("echo"))
        await client.close()


async def test_a_cancelled_watch_ends_and_the_connection_stays(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "endless"))
        assert isinstance(await client.receive(), Item)
        # The second watch is cancelled before it has begun, the third call is none.
        await client.send(packed(Cancel(id=1)) + call(2, "endless") + packed(Cancel(id=2)) + packed(Cancel(id=99)))
        await client.send(call(3, "echo"))
        rest = []
        while Reply(id=3, result=text("echo")) not in rest:
            rest.append(await client.receive())
        over = [one for one in rest if isinstance(one, Done)]
        while len(over) < 2:
            found = await client.receive()
            over += [found] if isinstance(found, Done) else []
        assert {one.id for one in over} == {1, 2}
        await until(lambda: "endless" in service.script.finished)
        await client.close()


async def test_a_write_is_not_interrupted_when_its_client_disconnects(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "late"))
        await client.send(call(2, "endless"))
        assert isinstance(await client.receive(), Item)
        await client.close()
        await until(lambda: not service.server.connections)
        # The watch ends with its client, the call does not.
        await until(lambda: service.script.finished == ["endless"])
        service.script.go.set()
        await until(lambda: "late" in service.script.finished)


async def test_a_client_that_stops_reading_costs_little_and_slows_no_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        lazy = await service.connect()
        # Its own buffer of a stream is filled, then those of the kernel, then that of the server.
        await lazy.send(call(1, "endless"))
        given = -1
        while given != service.script.given:
            given = service.script.given
            await asyncio.sleep(0.1)
        assert given * len(ITEM) < 4 * 1024 * 1024
        assert all(one.buffered < 1024 * 1024 for one in service.server.connections)
        for _ in range(20):
            await service.answers()
        # It continues where it stopped as soon as it reads.
        for _ in range(given + 100):
            assert isinstance(await lazy.receive(), Item)
        assert service.script.given > given
        await lazy.close()


async def test_requests_of_a_client_that_does_not_read_are_not_accepted(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        reader, writer = await asyncio.open_unix_connection(str(service.path), limit=1024)
        writer.write(packed(Hello(protocol=VERSION)))
        body = b"".join(call(number, "large") for number in range(1, 5001))
        writer.write(body)
        await until(lambda: service.server.connections)
        (held,) = service.server.connections
        await until(lambda: held.buffered > 256 * 1024)
        for _ in range(20):
            await service.answers()
        # 5000 replies would be 500 MB.
        assert held.buffered < 1024 * 1024
        del reader
        writer.transport.abort()


async def test_one_client_with_thousands_of_calls_does_not_delay_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        busy = await service.connect()
        send = asyncio.create_task(busy.send(b"".join(call(number, "echo") for number in range(1, 20_001))))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await service.answers()
        assert loop.time() - began < 1.0
        for number in range(1, 20_001):
            assert await busy.receive() == Reply(id=number, result=text("echo"))
        await send
        await busy.close()


async def test_the_concurrent_calls_of_a_connection_are_limited(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(b"".join(call(number, "wait") for number in range(1, MAX_CALLS + 2)))
        refused = await client.receive()
        assert isinstance(refused, Failure)
        assert (refused.id, refused.code) == (MAX_CALLS + 1, Code.UNAVAILABLE)
        service.script.go.set()
        received = [await client.receive() for _ in range(MAX_CALLS)]
        assert {one.id for one in received if isinstance(one, Reply)} == set(range(1, MAX_CALLS + 1))
        await client.close()


async def test_connections_above_the_limit_are_refused_with_a_reason(tmp_path: Path) -> None:
    async with serving(tmp_path, most=100) as service:
        clients = [await service.connect() for _ in range(100)]
        for number, client in enumerate(clients, start=1):
            await client.send(call(number, number))
        for number, client in enumerate(clients, start=1):
            assert await client.receive() == Reply(id=number, result=text(number))
        more = await service.connect(greet=False)
        (failure,) = await more.rest()
        assert isinstance(failure, Failure)
        assert (failure.id, failure.code) == (0, Code.UNAVAILABLE)
        assert failure.message.startswith("cannot connect: 100 clients are connected")
        await more.close()
        await clients.pop().close()
        await until(lambda: len(service.server.connections) == 99)
        await service.answers()
        for client in clients:
            await client.close()


async def test_a_hello_of_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect(greet=False)
        await client.send(packed(Hello(protocol=VERSION + 1)))
        (failure,) = await client.rest()
        assert isinstance(failure, Failure)
        assert (failure.id, failure.code, failure.hint) == (0, Code.INVALID, "use the ftl2ctl of version 1.2.3")
        assert f"version {VERSION + 1} of the protocol: this service has version {VERSION}" in failure.message
        await client.close()


async def test_a_client_that_sends_no_hello_in_time_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HELLO_WITHIN", 0.05)
    async with serving(tmp_path) as service:
        # A client that has sent hello may be silent for longer.
        greeted = await service.connect()
        client = await service.connect(greet=False)
        (failure,) = await client.rest()
        assert isinstance(failure, Failure)
        assert "no hello was received within 0.05 s" in failure.message
        await client.close()
        await greeted.send(call(1, "echo"))
        assert isinstance(await greeted.receive(), Reply)
        await greeted.close()


TORN = packed(Call(id=1, request=text("echo")))[:-3]
HELLO = packed(Hello(protocol=VERSION))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (call(1, "echo"), "cannot accept a call before the hello"),
        (packed(Cancel(id=1)), "cannot accept a call before the hello"),
        (HELLO + HELLO, "cannot accept a second hello"),
        (HELLO + call(0, "echo"), "cannot accept a call with the id 0: it is in use"),
        (HELLO + call(5, "wait") + call(5, "echo"), "cannot accept a call with the id 5: it is in use"),
        (HELLO + struct.pack(">I", MAX_REQUEST + 1), f"{MAX_REQUEST} are the most"),
        (HELLO + struct.pack(">I", 0xFFFFFFFF) + b"x" * 100, "4294967295 bytes"),
        (HELLO + packed({"type": "order"}), "cannot decode the message"),
        (HELLO + packed([1, 2]), "cannot decode the message"),
        (HELLO + struct.pack(">I", 3) + b"\xc1\xc1\xc1", "cannot decode the message"),
        (HELLO + struct.pack(">I", 0), "cannot decode the message"),
        (HELLO + struct.pack(">I", 200_000) + b"\x91" * 200_000, "cannot decode the message"),
    ],
)
async def test_a_protocol_violation_ends_that_connection_with_a_reason(
    tmp_path: Path, sent: bytes, message: str
) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect(greet=False)
        await client.send(sent)
        messages = await client.rest()
        last = messages[-1]
        assert isinstance(last, Failure)
        assert (last.id, last.code) == (0, Code.INVALID)
        assert message in last.message
        await client.close()
        await service.answers()


async def test_calls_before_a_broken_frame_are_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "echo") + struct.pack(">I", MAX_REQUEST + 1))
        assert [type(one) for one in await client.rest()] == [Reply, Failure]
        await client.close()


async def test_a_truncated_message_is_reported_to_a_client_that_still_reads(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(TORN)
        client.eof()
        (failure,) = await client.rest()
        assert isinstance(failure, Failure)
        assert failure.message == f"cannot accept a message that ends after {len(TORN)} bytes"
        await client.close()


async def test_the_largest_request_is_accepted(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        body = "x" * (MAX_REQUEST - 100)
        await client.send(call(1, body))
        assert await client.receive() == Reply(id=1, result=text(body))
        await client.close()


FRAMES = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=200).map(lambda body: struct.pack(">I", len(body)) + body),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    ).map(packed),
    st.builds(call, st.integers(-(2**31), 2**31), st.text(max_size=20)),
    st.integers(0, 5).map(lambda number: packed(Cancel(id=number))),
    st.just(HELLO),
)


@settings(max_examples=60)
@given(pieces=st.lists(FRAMES, min_size=1, max_size=6), greeted=st.booleans(), cut=st.integers(0, 40))
def test_no_bytes_disturb_other_connections(tmp_path: Path, pieces: list[bytes], greeted: bool, cut: int) -> None:
    async def play() -> None:
        async with serving(tmp_path) as service:
            steady = await service.connect()
            client = await service.connect(greet=greeted)
            data = b"".join(pieces)
            try:
                for start in range(0, len(data), max(1, len(data) // 3)):
                    await client.send(data[start : start + max(1, len(data) // 3)])
                if cut % 2:
                    client.eof()
            except ConnectionError:
                pass
            await steady.send(call(1, "echo"))
            assert await steady.receive() == Reply(id=1, result=text("echo"))
            await client.close()
            await steady.close()
            await until(lambda: not service.server.connections)

    asyncio.run(play())


async def test_closing_sends_the_reason_to_every_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect()
        await client.send(call(1, "endless"))
        assert isinstance(await client.receive(), Item)
        silent = await service.connect()
        closing: Coroutine[Any, Any, None] = service.server.close(
            unavailable("cannot continue: the service restarts")
        )
        task = asyncio.create_task(closing)
        (failure,) = await silent.rest()
        assert failure == Failure(id=0, code=Code.UNAVAILABLE, message="cannot continue: the service restarts")
        assert (await client.rest())[-1] == failure
        await task
        assert not service.server.connections
        await silent.close()
        await client.close()
        with pytest.raises(ConnectionRefusedError):
            await service.connect()
