"""The process of rules: it executes their code, and asks the loop's process for every effect.

Nothing here is trusted by the loop's process. Code of a rule can replace all of it, and gains nothing: the socket
takes requests only, each of which is judged at its other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from itertools import count
from typing import TYPE_CHECKING, Any, Never

import msgspec

from ftl2_enterprise.adapters.rules import messages
from ftl2_enterprise.loops.ports import RuleSource
from ftl2_enterprise.loops.rules.api import RuleApi
from ftl2_enterprise.loops.rules.compiled import CompiledRule, NotARule, act, compile_rule, error_text, evaluate
from ftl2_enterprise.protocol.frame import Splitter

if TYPE_CHECKING:
    import socket

    from ftl2_enterprise.adapters.rules.messages import FromRules, ToRules
    from ftl2_enterprise.protocol.loops.decision import StateOp

CHUNK = 1 << 20


class _Gone(BaseException):
    """The loop's process has closed the socket."""


class _FrameChannel:
    """The socket to the loop's process. Messages are sent synchronously, so that their order is that of the code."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pid = os.getpid()
        self._splitter = Splitter(messages.MOST_TO_RULES)
        self._received: list[ToRules] = []

    async def receive(self) -> ToRules:
        """The next message. Raises _Gone."""
        loop = asyncio.get_running_loop()
        while not self._received:
            data = await loop.sock_recv(self._connection, CHUNK)
            if not data:
                raise _Gone
            self._received += [messages.TO_RULES.decode(body) for body in self._splitter.feed(data)]
        return self._received.pop(0)

    def send(self, message: FromRules) -> None:
        """Send the message. Raises BadMessage and _Gone."""
        if os.getpid() != self._pid:
            # A copy that a rule has forked: it must not answer as well, and shares the selector of the event loop.
            os._exit(1)
        data = memoryview(messages.encode(message, messages.MOST_FROM_RULES))
        while data:
            try:
                data = data[self._connection.send(data) :]
            except BlockingIOError:
                select.select([], [self._connection], [])
            except OSError as error:
                raise _Gone from error


def serve(connection: socket.socket) -> None:
    """Execute rules until the loop's process closes the socket."""
    connection.setblocking(False)  # noqa: FBT003 - its only form
    sys.dont_write_bytecode = True
    with contextlib.suppress(_Gone, OSError):
        asyncio.run(_serve(_FrameChannel(connection)))


async def _serve(channel: _FrameChannel) -> None:
    rules: dict[str, CompiledRule] = {}
    channel.send(messages.Started())
    while True:
        match await channel.receive():
            case messages.Load() as file:
                channel.send(_load(file, rules))
            case messages.Evaluate(path=path, state=state, timeout=timeout):
                judged = await evaluate(rules[path], state, timeout)
                channel.send(messages.Judged(matched=judged.matched, error=judged.error))
            case messages.Act() as request:
                firing = _Firing(channel)
                channel.send(messages.ActionEnded(error=await firing.run(rules[request.path], request)))
            case _:
                pass  # the result of a call that was withdrawn while it was on its way
        await _cancel_others()


def _load(file: messages.Load, rules: dict[str, CompiledRule]) -> messages.Declared:
    source = RuleSource(name=file.name, path=file.path, digest=file.digest, source=file.source)
    try:
        rule = rules[file.path] = compile_rule(source)
    except NotARule as error:
        return messages.Declared(error=str(error))
    declared = messages.Declared(description=rule.declaration.description, observe=list(rule.declaration.observe))
    try:
        messages.encode(declared, messages.MIB)
    except messages.BadMessage as error:
        return messages.Declared(error=str(error))
    return declared


async def _cancel_others() -> None:
    """Cancel what a rule left: its tasks must not run while another rule does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=0.1)


class _Firing:
    """One run of an action, and its calls."""

    def __init__(self, channel: _FrameChannel) -> None:
        self._channel = channel
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[list[tuple[str, dict[str, Any]]]]] = {}
        self._ended: bool = False

    async def run(self, rule: CompiledRule, request: messages.Act) -> str:
        """Run the action; returns its error, or an empty text."""
        ftl = RuleApi(self._perform, state=request.state, targets=request.targets, apply=self._change)
        action = asyncio.create_task(act(rule, ftl))
        reading = asyncio.create_task(self._read_results())
        try:
            await asyncio.wait({action, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            return action.result()
        finally:
            self._ended = True
            reading.cancel()
            await asyncio.wait({reading})

    async def _read_results(self) -> Never:
        while True:
            message = await self._channel.receive()
            if isinstance(message, messages.Result):
                future = self._waiting.get(message.call)
                if future is not None and not future.done():
                    future.set_result(message.pairs)

    async def _perform(
        self, module: str, params: dict[str, Any], host: str | None
    ) -> list[tuple[str, dict[str, Any]]]:
        if self._ended:
            raise RuntimeError(f"cannot call {module}: the rule has ended")
        number = next(self._numbers)
        future: asyncio.Future[list[tuple[str, dict[str, Any]]]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        target = None if host is None else str(host)
        try:
            self._send(
                messages.CallRequest(call=number, module=str(module), params=messages.plain(params), host=target)
            )
            return await future
        except asyncio.CancelledError:
            if not self._ended:
                self._channel.send(messages.Withdraw(call=number))
            raise
        finally:
            del self._waiting[number]

    def _change(self, op: StateOp) -> None:
        if self._ended:
            raise RuntimeError(f"cannot change {op.name}: the rule has ended")
        try:
            checked = msgspec.convert(messages.plain(op), type(op))
        except msgspec.ValidationError as error:
            raise TypeError(f"cannot change {op.name}: {error_text(error)}") from None
        self._send(messages.Change(op=checked))

    def _send(self, message: FromRules) -> None:
        try:
            self._channel.send(message)
        except messages.BadMessage as error:
            raise ValueError(str(error)) from None
