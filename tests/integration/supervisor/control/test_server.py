"""The server of the control socket over a real one: calls, watches, limits and back-pressure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.core.problem import Code, unavailable
from ftl2_enterprise.protocol.envelope import VERSION, Cancel, Done, Failure, Hello, Item, Reply
from ftl2_enterprise.supervisor.control.connection import MAX_CALLS
from tests.integration.supervisor.control.serving import ITEM, serving, text, until
from tests.support.scripted.raw_client import call, packed

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


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
