"""Connections of the control socket: the hello, and malformed input."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.protocol.envelope import VERSION, Call, Cancel, Failure, Hello, Reply
from ftl2_enterprise.supervisor.control import connection
from ftl2_enterprise.supervisor.control.connection import MAX_REQUEST
from tests.integration.supervisor.control.serving import serving, text, until
from tests.support.scripted.raw_client import call, packed

if TYPE_CHECKING:
    from pathlib import Path


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
        (
            HELLO + struct.pack(">I", 8) + b"\x81\xa4type\xa1\xff",
            "cannot decode the message: a text in it is not UTF-8",
        ),
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
