"""Calls on this machine: a socket to the helper process per call; closing it kills the call's whole tree."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import ftl2_enterprise
from ftl2_enterprise.adapters.on_host import frames, processes, server

ROOT = str(Path(ftl2_enterprise.__file__).parent.parent)
# -I: nothing of the user's Python settings, and no module of the working directory, may get between.
BOOT = f"import sys; sys.path.append(sys.argv[2]); from {server.__name__} import main; main(int(sys.argv[1]))"
HINTS = {"ansible": b"a", "render": b"r", "native": b"f"}
END_LIMIT = 8.0
SLACK = 10.0
CHUNK = 1 << 18


class HelperDied(Exception):
    """The helper of a call ended without a reply: it was killed from outside, or memory ran out."""

    def __init__(self, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.began: bool = began
        """Whether it may have done something of the call before."""


class LocalCalls:
    """Owns the helper process; started with the first call."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def perform(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes, bytes]:
        """The reply's head and streams. Raises HelperDied. Cancelling returns only when the tree is gone."""
        for last in (False, True):
            call = _Call(self._open(HINTS.get(request["kind"], b"-")))
            try:
                async with asyncio.timeout(request["timeout"] + SLACK):
                    return frames.unpack(await call.exchange(json.dumps(request).encode()))
            except (ConnectionError, ValueError) as error:
                if call.began or last:
                    raise HelperDied("the helper process ended without a reply", began=call.began) from error
                self.close()  # somebody killed the helper: nothing of this call has happened yet
            except (asyncio.CancelledError, TimeoutError) as stop:
                await asyncio.shield(asyncio.ensure_future(call.end()))
                if isinstance(stop, TimeoutError):
                    message = "the helper process did not end in time and was killed"
                    raise HelperDied(message, began=call.began) from stop
                raise
            finally:
                call.close()
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Let the helper end. Calls in flight end when their sockets close."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.wait()
        self._control = self._process = None

    def _open(self, hint: bytes) -> socket.socket:
        """A socket to a fresh supervisor."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - its only form
        try:
            socket.send_fds(self._control or self._start(), [hint], [theirs.fileno()])
        except ConnectionError:
            self.close()
            socket.send_fds(self._start(), [hint], [theirs.fileno()])
        finally:
            theirs.close()
        return ours

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, str(theirs.fileno()), ROOT],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, "FTL2_TELEMETRY": "off"},
            start_new_session=True,  # a Ctrl-C at the terminal is for the loop, not for its helper
        )  # fmt: skip
        theirs.close()
        self._control = ours
        return ours


class _Call:
    """One call's side of the socket: the supervisor's id, then its reply."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()

    @property
    def began(self) -> bool:
        """Whether there was a supervisor that could have performed the request."""
        return len(self._received) >= server.LENGTH.size

    def close(self) -> None:
        """Let go of the socket; the supervisor kills its tree if it still runs."""
        self._connection.close()

    async def exchange(self, body: bytes) -> bytes:
        """Send the request and read the reply frame, to the end of the stream."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._connection, struct.pack(">I", len(body)) + body)
        await self._drain()
        return bytes(self._received[server.LENGTH.size :])

    async def end(self) -> None:
        """Ask the supervisor to kill its tree, and wait until it is gone; do it ourselves when it does not answer."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(END_LIMIT):
                await self._drain()
                return
        if self.began:
            (supervisor,) = server.LENGTH.unpack_from(self._received)
            processes.kill_tree(supervisor)
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, 9)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(self._connection, CHUNK):
            self._received += chunk
