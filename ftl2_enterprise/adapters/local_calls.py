"""Calls on this machine: a socket to a supervisor per call; closing it kills the call's whole tree."""

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
from typing import TYPE_CHECKING, Any

import ftl2_enterprise
from ftl2_enterprise.adapters.on_host import frames, processes, server

if TYPE_CHECKING:
    from collections.abc import Collection

ROOT = str(Path(ftl2_enterprise.__file__).parent.parent)
# -I: nothing of the user's Python settings, and no module of the working directory, may get between.
BOOT = f"import sys; sys.path.append(sys.argv[2]); from {server.__name__} import main; main(int(sys.argv[1]))"
HINTS = {"ansible": b"a", "render": b"r", "native": b"f", "put": b"p"}
IDLE_KEPT = 8
"""Supervisors that are kept for later calls."""
END_LIMIT = 8.0
IDLE_END_LIMIT = 1.0
SLACK = 10.0
CHUNK = 1 << 18
QUIET = {"FTL2_TELEMETRY": "off"}


class HelperDied(Exception):
    """The helper of a call ended without a reply: it was killed from outside, or memory ran out."""

    def __init__(self, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.began: bool = began
        """Whether it may have done something of the call before."""


class LocalCalls:
    """Owns the helper process, started with the first call, and the supervisors that wait for the next one."""

    def __init__(self, *, hidden: Collection[str] = ()) -> None:
        """Variables of the environment that are `hidden` are kept from whatever a call starts."""
        self._hidden: frozenset[str] = frozenset(hidden)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle: list[_Supervisor] = []
        self._used: bool = False

    def get_ready(self) -> None:
        """Start the helper now, so that the first call need not wait for it."""
        if self._control is None:
            self._start()

    async def perform(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes, bytes]:
        """The reply's head and streams. Raises HelperDied. Cancelling returns only when the tree is gone."""
        body = json.dumps(request).encode()
        hint = HINTS.get(request["kind"], b"-")
        last = False
        while True:
            idle = self._take(hint)
            supervisor = idle or _Supervisor(self._open(hint), hint)
            try:
                async with asyncio.timeout(request["timeout"] + SLACK):
                    return frames.unpack(await supervisor.exchange(body))
            except (ConnectionError, ValueError) as error:
                if supervisor.began or last:
                    raise HelperDied("the helper process ended without a reply", began=supervisor.began) from error
                if idle is None:
                    self.close()  # somebody killed the helper: nothing of this call has happened yet
                    last = True
            except (asyncio.CancelledError, TimeoutError) as stop:
                await asyncio.shield(asyncio.ensure_future(supervisor.end()))
                if isinstance(stop, TimeoutError):
                    message = "the helper process did not end in time and was killed"
                    raise HelperDied(message, began=supervisor.began) from stop
                raise
            finally:
                self._give_back(supervisor)

    def close(self) -> None:
        """Let the helper and the idle supervisors end. Calls in flight end when their sockets close."""
        if self._control is not None:
            self._control.close()
        idle, self._idle = self._idle, []
        for supervisor in idle:
            supervisor.dismiss()
        for supervisor in idle:
            supervisor.see_off()
        if self._process is not None:
            if not self._used:
                self._process.kill()  # it may still be loading, and has nothing to end
            self._process.wait()
        self._control = self._process = None
        self._used = False

    def _take(self, hint: bytes) -> _Supervisor | None:
        """A supervisor that is free; they end by themselves after a while."""
        for supervisor in [one for one in reversed(self._idle) if one.hint == hint]:
            self._idle.remove(supervisor)
            if supervisor.is_there():
                return supervisor
            supervisor.close()
        return None

    def _give_back(self, supervisor: _Supervisor) -> None:
        if supervisor.free and self._control is not None and len(self._idle) < IDLE_KEPT:
            self._idle.append(supervisor)
        else:
            supervisor.close()

    def _open(self, hint: bytes) -> socket.socket:
        """A socket to a fresh supervisor."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - its only form
        self._used = True
        try:
            socket.send_fds(self._control or self._start(), [hint], [theirs.fileno()])
        except ConnectionError:
            self.close()
            self._used = True
            socket.send_fds(self._start(), [hint], [theirs.fileno()])
        finally:
            theirs.close()
        return ours

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-IS", "-c", BOOT, str(theirs.fileno()), ROOT],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in self._hidden} | QUIET,
            start_new_session=True,  # a Ctrl-C at the terminal is for the loop, not for its helper
        )  # fmt: skip
        theirs.close()
        self._control = ours
        return ours


class _Supervisor:
    """Our side of the socket to a supervisor: its id, then for each call that it began, and its reply."""

    def __init__(self, connection: socket.socket, hint: bytes) -> None:
        self.hint: bytes = hint
        self.began: bool = False
        """Whether it has got the request of the last call, and so may have done something of it."""
        self.free: bool = False
        """Whether it waits for another call: it has replied, and nothing that the call started is left."""
        self._pid: int = 0
        self._connection = connection
        self._received = bytearray()

    async def exchange(self, body: bytes) -> bytes:
        """Send the request and read the frame of the reply. Raises ConnectionError when it ends before."""
        self.began = self.free = False
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._connection, struct.pack(">I", len(body)) + body)
        if not self._pid:
            (self._pid,) = server.LENGTH.unpack(await self._read(server.LENGTH.size))
        self.began = await self._read(len(server.BEGUN)) == server.BEGUN
        size = frames.size_of(await self._see(frames.SIZES.size))
        frame = await self._read(size)
        self.free = await self._drain(until=len(server.FREE)) and bytes(self._received) == server.FREE
        self._received.clear()
        return frame

    async def end(self) -> None:
        """Ask the supervisor to kill its tree, and wait until it is gone; do it ourselves when it does not answer."""
        self.free = False
        self.dismiss()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(END_LIMIT):
                while await self._drain(until=len(self._received) + 1):
                    pass
                return
        if not self._pid and len(self._received) >= server.LENGTH.size:
            (self._pid,) = server.LENGTH.unpack_from(self._received)
        if self._pid:
            processes.kill_tree(self._pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, 9)

    def is_there(self) -> bool:
        """Whether it still waits."""
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def dismiss(self) -> None:
        """Say that there will be no other call, and that a call which runs is not wanted any more."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def see_off(self) -> None:
        """Wait for a moment until it has ended, and let go of it."""
        self._connection.settimeout(IDLE_END_LIMIT)
        with contextlib.suppress(OSError):
            self._connection.recv(1)
        self.close()

    def close(self) -> None:
        """Let go of the socket; the supervisor ends, and kills its tree if a call still runs."""
        self._connection.close()

    async def _read(self, size: int) -> bytes:
        found = await self._see(size)
        del self._received[:size]
        return found

    async def _see(self, size: int) -> bytes:
        if not await self._drain(until=size):
            raise ConnectionResetError("a reply ended early")
        with memoryview(self._received) as received:
            return bytes(received[:size])

    async def _drain(self, *, until: int) -> bool:
        """Receive until there is so much; False when the stream ends before."""
        loop = asyncio.get_running_loop()
        while len(self._received) < until:
            chunk = await loop.sock_recv(self._connection, CHUNK)
            if not chunk:
                return False
            self._received += chunk
        return True
