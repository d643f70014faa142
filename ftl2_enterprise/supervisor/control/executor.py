"""Executes the requests of clients: reads in this process, writes in the writer."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.supervisor.control.access import caller_of
from ftl2_enterprise.supervisor.control.dispatch import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ftl2_enterprise.protocol.verb import Access, Request
    from ftl2_enterprise.supervisor.control.access import Peer
    from ftl2_enterprise.supervisor.control.connection import Answer
    from ftl2_enterprise.supervisor.control.dispatch import Dispatch, Entry, Gather
    from ftl2_enterprise.supervisor.control.service_state import ServiceState

KEPT_FOR = 1.0
"""Maximum seconds for which a reply is reused: parts of it, such as an age, change with time alone."""

_encode = msgspec.msgpack.Encoder().encode


class KeptReply(NamedTuple):
    """An encoded reply, with the state that it describes."""

    reply: bytes
    state: tuple[int | None, int]
    """Versions of the database and of the table of children."""
    at: float
    """When it was encoded, on the monotonic clock."""


class RequestExecutor:
    """The `Answerer` of the control server."""

    def __init__(self, state: ServiceState, dispatch: Dispatch) -> None:
        self._state: ServiceState = state
        self._dispatch: Dispatch = dispatch
        self._kept: dict[str, KeptReply] = {}
        """By verb."""

    def access_of(self, peer: Peer) -> Access | None:
        """The highest access of the peer; None if it has none."""
        return self._state.guard.access_of(peer)

    def begin(self, body: msgspec.Raw, peer: Peer) -> Answer:
        """Check the access of the peer, and answer the request, or begin to. Raises Problem."""
        state = self._state
        entry = self._dispatch.find(body, peer, state.guard, draining=state.draining)
        request = entry.decode(body)
        match entry.kind:
            case Kind.READ:
                if entry.gather is not None:
                    return self._read_with(entry, request, entry.gather)
                return self._keep(entry, request) if request == entry.kept else self._read(entry, request)
            case Kind.WRITE:
                return self._write(entry, request, peer)
            case Kind.SYSTEM:
                return self._system(entry, request, peer)
            case Kind.RENDER:
                return _encode(entry.handler(partial(self._ask, peer), request))
            case Kind.WATCH:
                return self._watch(entry, request)

    def _read(self, entry: Entry, request: Any, *gathered: Any) -> bytes:
        return _encode(self._found(entry, request, *gathered))

    def _found(self, entry: Entry, request: Any, *gathered: Any) -> Any:
        with self._state.store.read() as tx:
            return entry.handler(tx, request, self._state.children.table, *gathered)

    def _ask(self, peer: Peer, request: Request[Any]) -> Any:
        """The answer that the peer would get. The request is encoded, so that it is checked like one of a client."""
        body = msgspec.Raw(_encode(request))
        entry = self._dispatch.find(body, peer, self._state.guard)
        if entry.kind is not Kind.READ or entry.gather is not None:
            raise invalid(f"cannot execute {entry.name} during rendering: it does more than read")
        return self._found(entry, entry.decode(body))

    async def _read_with(self, entry: Entry, request: Any, gather: Gather) -> bytes:
        return self._read(entry, request, await gather(request))

    def _keep(self, entry: Entry, request: Any) -> bytes:
        """The reply, reused if nothing has changed since: clients repeat this request often."""
        now = time.monotonic()
        # Read before the database: with a commit in between, the kept reply is newer than its state, never older.
        state = (self._state.data_version.read(), self._state.children.version)
        kept = self._kept.get(entry.name)
        if kept is not None and state == kept.state and state[0] is not None and now - kept.at < KEPT_FOR:
            return kept.reply
        reply = self._read(entry, request)
        self._kept[entry.name] = KeptReply(reply, state, now)
        return reply

    async def _write(self, entry: Entry, request: Any, peer: Peer) -> bytes:
        self._state.database.require_writable()
        if entry.prepare is not None:
            request = await entry.prepare(request)
        gathered: list[Any] = [] if entry.gather is None else [await entry.gather(request)]
        if entry.takes_caller:
            # The names of groups may come from a server that does not respond for a while.
            gathered.append(await asyncio.to_thread(caller_of, peer, self._state.guard))
        call = entry.handler.call(request, *gathered)
        try:
            return _encode(await self._state.writer.execute([call], actor=peer.actor))
        except Problem as problem:
            if problem.code is Code.UNAVAILABLE:
                self._state.reconciler.doubt()
            raise

    async def _system(self, entry: Entry, request: Any, peer: Peer) -> bytes:
        return _encode(await entry.handler(self._state, request, peer))

    async def _watch(self, entry: Entry, request: Any) -> AsyncGenerator[bytes]:
        items = cast("AsyncGenerator[Any]", entry.handler(self._state, request))
        try:
            async for item in items:
                yield _encode(item)
        finally:
            await items.aclose()
