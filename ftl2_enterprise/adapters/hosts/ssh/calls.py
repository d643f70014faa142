"""Calls on SSH hosts, through `run_on` of one FTL2 context."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import json
import os
import secrets
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.adapters.hosts.call_result import last_line, line
from ftl2_enterprise.adapters.hosts.inventory.ssh_names import SshNames
from ftl2_enterprise.adapters.hosts.last_check import NoLongerAllowed
from ftl2_enterprise.adapters.hosts.local import calls as local_calls
from ftl2_enterprise.adapters.hosts.remote import frames
from ftl2_enterprise.adapters.hosts.ssh import connecting, ftl2_context, gate_build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl2_enterprise.loops.ports import HostEntry

RECYCLE_CALLS = 500
RECYCLE_BYTES = 128 << 20
"""Calls and bytes after which a context is replaced, because it keeps every result."""
REMOTE_LIMIT = 8 << 20
"""Bytes captured of each stream: FTL2's messages are limited to 64 MiB and contain a module's output twice."""
HANDSHAKE = "Gate handshake failed: "
NOT_CONNECTED = (
    "Failed to connect after ", "SSH authentication failed", "Gate handshake ", connecting.NOT_CONNECTED
)  # fmt: skip
"""Beginnings of FTL2's errors for calls that were not sent."""
SLACK = 15.0
KILL_LIMIT = 10.0
BUILD = f"import sys; sys.path.append(sys.argv[1]); from {gate_build.__name__} import run; run()"

type Reply = tuple[dict[str, Any], bytes, bytes]


class HostUnreachable(Exception):
    """The host or the connection to it failed; the message is one sentence."""

    def __init__(self, message: str, *, began: bool = False) -> None:
        super().__init__(message)
        self.began: bool = began
        """Whether the call may have had an effect before."""


class _Context:
    """One FTL2 context with the hosts that it has connected to, and its calls and bytes so far."""

    def __init__(self, ftl: Any, leave: contextlib.AsyncExitStack) -> None:
        self.ftl: Any = ftl
        self.leave: contextlib.AsyncExitStack = leave
        self.connections: dict[str, asyncio.Task[None]] = {}
        self.calls: int = 0
        self.bytes: int = 0
        self.in_flight: int = 0
        self.retired: bool = False


class SshCalls:
    """Owns the contexts; FTL2 is imported at the first call."""

    def __init__(self, work_dir: Path, *, in_service: bool = False) -> None:
        """`in_service`: errors name the command that makes the service trust a host."""
        self._gates: Path = work_dir / "gates"
        self._in_service: bool = in_service
        self._context: _Context | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._built: dict[str, asyncio.Task[None]] = {}
        self._bundles: dict[str, tuple[str, bytes]] = {}
        self._names: SshNames = SshNames()

    async def perform(
        self, entry: HostEntry, request: dict[str, Any], allowed: Callable[[], bool], *, module: str | None = None
    ) -> Reply:
        """Execute a request or an Ansible-style module on the host.

        Raises HostUnreachable, and NoLongerAllowed if `allowed` returns False at the last moment.

        Cancelling returns when the host has killed the call's process tree, or does not answer.
        """
        await ftl2_context.ready()
        self._names.refresh()
        try:
            route = connecting.route_of(entry, self._names, in_service=self._in_service)
        except ValueError as error:
            raise HostUnreachable(f"cannot reach {entry.name}: {error}") from error
        try:
            host = ftl2_context.host_config(entry, route)
        except ValueError as error:
            raise HostUnreachable(str(error)) from error
        connecting.ROUTE.set(route)
        await self._build_gate(ftl2_context.interpreter(entry))
        context = await self._take()
        try:
            await self._connect(context, entry, host, request["timeout"])
            limited = {**request, "limit": min(request["limit"], REMOTE_LIMIT)}
            data: bytes | None = None
            if module is not None:
                digest, data = await self.bundle(module)
                limited |= {"kind": "bundle", "digest": digest}
            answer = await self._call(context, entry, host, limited, allowed)
            if "need" in answer and data is not None:
                answer = await self._call(
                    context, entry, host, limited, allowed, bundle=base64.b64encode(data).decode()
                )
            try:
                return frames.unpack(frames.from_text(answer["frame"]))
            except (KeyError, ValueError) as error:
                raise HostUnreachable(f"cannot understand {entry.name}: the reply is damaged", began=True) from error
        finally:
            await self._release(context)

    async def close(self) -> None:
        """Close all connections."""
        context, self._context = self._context, None
        for task in self._built.values():
            task.cancel()
        await asyncio.gather(*self._built.values(), return_exceptions=True)
        self._built.clear()
        if context is not None:
            await _end(context)

    async def _call(
        self,
        context: _Context,
        entry: HostEntry,
        host: Any,
        request: dict[str, Any],
        allowed: Callable[[], bool],
        **more: str,
    ) -> dict[str, Any]:  # fmt: skip
        if not allowed():
            raise NoLongerAllowed
        token = secrets.token_hex(12)
        packed = frames.to_text(json.dumps(request).encode())
        task = asyncio.ensure_future(
            ftl2_context.run_helper(context.ftl, host, op="call", token=token, request=packed, **more)
        )
        try:
            done, _ = await asyncio.wait({task}, timeout=request["timeout"] + SLACK)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._kill(context, host, token, task)))
            raise
        if not done:
            await self._kill(context, host, token, task)
            waited = f"no answer within {request['timeout'] + SLACK:g} s"
            raise HostUnreachable(f"cannot reach {entry.name}: {waited}", began=True)
        return self._answer(context, entry, host, task.result())

    async def _kill(self, context: _Context, host: Any, token: str, task: asyncio.Future[Any]) -> None:
        """Let the host end the call. If the host is unreachable, its helper ends the call at the time-out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_LIMIT):
                await ftl2_context.run_helper(context.ftl, host, op="kill", token=token)
                await asyncio.wait({task})
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)

    async def _connect(self, context: _Context, entry: HostEntry, host: Any, seconds: float) -> None:
        """Connect before the call, so that a time-out while connecting leaves nothing running."""
        task = context.connections.get(host.name)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(self._greet(context, entry, host))
            context.connections[host.name] = task
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(task)
        except TimeoutError:
            task.add_done_callback(_ignore_failure)
            raise HostUnreachable(
                f"cannot reach {_address(entry, host)}: {connecting.NOT_WITHIN}{seconds:g} s"
            ) from None

    async def _greet(self, context: _Context, entry: HostEntry, host: Any) -> None:
        results = await ftl2_context.run_helper(context.ftl, host, op="hello")
        output: dict[str, Any] = dict(results[0].output or {}) if results else {}
        if "python" not in output:
            raise HostUnreachable(f"cannot reach {_address(entry, host)}: {_reason(results)}")

    def _answer(self, context: _Context, entry: HostEntry, host: Any, results: list[Any]) -> dict[str, Any]:
        output: dict[str, Any] = dict(results[0].output or {}) if results else {}
        if "frame" in output or "need" in output:
            context.bytes += len(output.get("frame", ""))
            return output
        # The host was reached before. If FTL2 had to reconnect and could not, the call was not sent.
        began = not any(sign in _error_of(results) for sign in NOT_CONNECTED)
        raise HostUnreachable(f"cannot finish the call on {entry.name}: {_reason(results)}", began=began)

    async def bundle(self, module: str) -> tuple[str, bytes]:
        """An Ansible-style module with its libraries: its digest, and the archive."""
        await ftl2_context.ready()
        if module not in self._bundles:
            data = await asyncio.to_thread(ftl2_context.bundle, module)
            self._bundles[module] = (sha256(data).hexdigest()[:32], data)
        return self._bundles[module]

    async def _build_gate(self, interpreter: str) -> None:
        task = self._built.get(interpreter)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(self._run_build(interpreter))
            task.add_done_callback(_ignore_failure)
            self._built[interpreter] = task
        await asyncio.shield(task)

    async def _run_build(self, interpreter: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", BUILD, local_calls.ROOT, str(self._gates), interpreter,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "FTL2_TELEMETRY": "off"}, start_new_session=True,
        )  # fmt: skip
        try:
            _, output = await process.communicate()
        except asyncio.CancelledError:
            # The id of the group of a process that has been reaped may be reused.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
            await process.wait()
            raise
        if process.returncode:
            why = last_line(output.decode(errors="replace"))
            raise HostUnreachable(f"cannot build FTL2's gate, with which hosts are reached: {why}")

    async def _take(self) -> _Context:
        async with self._opening:
            worn = self._context
            if worn is not None and (worn.calls >= RECYCLE_CALLS or worn.bytes >= RECYCLE_BYTES):
                worn.retired, self._context = True, None
                if not worn.in_flight:
                    await _end(worn)
            if self._context is None:
                leave = contextlib.AsyncExitStack()
                ftl = await leave.enter_async_context(ftl2_context.open_context(self._gates))
                ftl2_context.equip(ftl)
                self._context = _Context(ftl, leave)
            self._context.in_flight += 1
            self._context.calls += 1
            return self._context

    async def _release(self, context: _Context) -> None:
        context.in_flight -= 1
        if context.retired and not context.in_flight:
            await _end(context)


async def _end(context: _Context) -> None:
    for task in context.connections.values():
        task.cancel()
    await asyncio.gather(*context.connections.values(), return_exceptions=True)
    await context.leave.aclose()


def _ignore_failure(task: asyncio.Task[None]) -> None:
    """Retrieve the exception of a task that is no longer awaited, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


def _address(entry: HostEntry, host: Any) -> str:
    return f"{entry.name} ({host.ansible_user}@{host.ansible_host}:{host.ansible_port})"


def _error_of(results: list[Any]) -> str:
    return str(results[0].error or "no reason given") if results else "FTL2 gave no result"


def _reason(results: list[Any]) -> str:
    error = _error_of(results).removeprefix("Remote execution failed: ")
    if error.startswith(connecting.NOT_CONNECTED):
        return line(error.removeprefix(connecting.NOT_CONNECTED))
    what, handshake, printed = error.partition(HANDSHAKE)
    if not handshake:
        error = line(what)
        return connecting.CAUSES.get(error.rpartition(": ")[2], error)
    with contextlib.suppress(ValueError, SyntaxError):
        printed = cast("bytes", ast.literal_eval(printed.strip())).decode("utf-8", "replace")
    return f"FTL2's gate does not start, which needs Python 3.10 there: {last_line(printed)}"
