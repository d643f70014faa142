"""Local calls: each has a socket to a supervising process, and closing it kills the call's process tree."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import ftl2_enterprise
from ftl2_enterprise.adapters.hosts.last_check import NoLongerAllowed
from ftl2_enterprise.adapters.hosts.remote import frames, processes, server
from ftl2_enterprise.supervisor import prctl

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

ROOT = str(Path(ftl2_enterprise.__file__).parent.parent)
# -I isolates it from the user's Python settings and from modules in the working directory.
BOOT = f"import sys; sys.path.append(sys.argv[2]); from {server.__name__} import main; main(int(sys.argv[1]))"
HINTS = {"ansible": b"a", "render": b"r", "native": b"f", "put": b"p", "observe": b"o"}
IDLE_KEPT = 8
"""Maximum idle supervisors that are kept for later calls."""
END_LIMIT = 8.0
IDLE_END_LIMIT = 1.0
SLACK = 10.0
CHUNK = 1 << 18
QUIET = {"FTL2_TELEMETRY": "off"}


class HelperDied(Exception):
    """The helper of a call ended without a reply, because it was killed or out of memory."""

    def __init__(self, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.began: bool = began
        """Whether the call may have had an effect before."""


class Helper:
    """The process from which the supervisors of calls are forked; it ends when `control` is closed."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes] | int) -> None:
        self.control: socket.socket = control
        self._process: subprocess.Popen[bytes] | int = process

    @classmethod
    def fork(cls, name: str, forget: Callable[[], object] = lambda: None) -> Self:
        """Fork a helper from this process, which has called `server.load_ahead`: it is ready immediately.

        This process must have one thread, and must not have read anything that calls must not know. `forget` runs in
        the helper and releases what belongs to this process only. Raises OSError.
        """
        ours, theirs = _pair()
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                forget()
                _be_a_helper(name)
                server.main(theirs.detach())
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(0)
        theirs.close()
        return cls(ours, pid)

    @classmethod
    def execute(cls, environment: Mapping[str, str]) -> Self:
        """Start a helper as a new program, which is possible at any time."""
        ours, theirs = _pair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-IS", "-c", BOOT, str(theirs.fileno()), ROOT],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env={**environment, **QUIET},
                start_new_session=True,  # a Ctrl-C at the terminal is for the loop, not for its helper
            )  # fmt: skip
        return cls(ours, process)

    def end(self, *, at_once: bool) -> None:
        """Ask it to end, or kill it if `at_once`, and wait for that."""
        self.control.close()
        if isinstance(self._process, int):
            if at_once:
                os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        else:
            if at_once:
                self._process.kill()
            self._process.wait()


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _be_a_helper(name: str) -> None:
    """Bring a forked process into the state of a newly started program."""
    os.setsid()
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    prctl.set_name(name)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    os.environ.update(QUIET)


class LocalCalls:
    """Owns the helper process, which starts with the first call, and the idle supervisors."""

    def __init__(self, *, hidden: Collection[str] = (), helper: Helper | None = None) -> None:
        """Calls do not receive the environment variables in `hidden`.

        A given `helper` is used until it ends.
        """
        self._hidden: frozenset[str] = frozenset(hidden)
        self._helper: Helper | None = helper
        self._idle: list[_CallChannel] = []
        self._used: bool = False

    def get_ready(self) -> None:
        """Start the helper now, so that the first call does not wait for it."""
        if self._helper is None:
            self._helper = self._start()

    async def perform(
        self, request: dict[str, Any], allowed: Callable[[], bool]
    ) -> tuple[dict[str, Any], bytes, bytes]:
        """Execute the request; returns the reply's head and streams. Cancelling returns after the process tree has
        ended.

        Raises HelperDied, and NoLongerAllowed if `allowed` returns False at the last moment.
        """
        body = json.dumps(request).encode()
        hint = HINTS.get(request["kind"], b"-")
        last = False
        while True:
            idle = self._take(hint)
            supervisor = idle or _CallChannel(self._open(hint), hint)
            try:
                if not allowed():
                    raise NoLongerAllowed
                async with asyncio.timeout(request["timeout"] + SLACK):
                    return frames.unpack(await supervisor.exchange(body))
            except (ConnectionError, ValueError) as error:
                if supervisor.began or last:
                    raise HelperDied("the helper process ended without a reply", began=supervisor.began) from error
                if idle is None:
                    self.close()  # the helper was killed before this call began
                    last = True
            except (asyncio.CancelledError, TimeoutError) as stop:
                await asyncio.shield(asyncio.ensure_future(supervisor.end()))
                if isinstance(stop, TimeoutError):
                    message = "the helper process did not end in time and was killed"
                    raise HelperDied(message, began=supervisor.began) from stop
                raise
            finally:
                self._release(supervisor)

    def close(self) -> None:
        """End the helper and the idle supervisors. Running calls end when their sockets close."""
        idle, self._idle = self._idle, []
        for supervisor in idle:
            supervisor.dismiss()
        for supervisor in idle:
            supervisor.await_end()
        if self._helper is not None:
            # Before its first call it may still be loading, and has no call to end.
            self._helper.end(at_once=not self._used)
        self._helper = None
        self._used = False

    def _take(self, hint: bytes) -> _CallChannel | None:
        """An idle supervisor, if one is left: they end after some time."""
        for supervisor in [one for one in reversed(self._idle) if one.hint == hint]:
            self._idle.remove(supervisor)
            if supervisor.is_alive():
                return supervisor
            supervisor.close()
        return None

    def _release(self, supervisor: _CallChannel) -> None:
        if supervisor.free and self._helper is not None and len(self._idle) < IDLE_KEPT:
            self._idle.append(supervisor)
        else:
            supervisor.close()

    def open_supervisor(self, hint: bytes) -> socket.socket:
        """A socket to a new supervisor of something else than calls, see `server.SUPERVISORS`. Raises OSError."""
        return self._open(hint)

    def _open(self, hint: bytes) -> socket.socket:
        """A socket to a new supervisor."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - its only form
        message = hint + " ".join(sorted(self._hidden)).encode()
        with theirs:
            try:
                self._send(message, theirs)
            except ConnectionError:
                self.close()
                self._send(message, theirs)
        return ours

    def _send(self, message: bytes, theirs: socket.socket) -> None:
        self._helper = self._helper or self._start()
        self._used = True
        socket.send_fds(self._helper.control, [message], [theirs.fileno()])

    def _start(self) -> Helper:
        return Helper.execute({name: value for name, value in os.environ.items() if name not in self._hidden})


class _CallChannel:
    """Our end of the socket to a supervisor.

    It sends its pid, then for each call a notice that it began and the reply.
    """

    def __init__(self, connection: socket.socket, hint: bytes) -> None:
        self.hint: bytes = hint
        self.began: bool = False
        """Whether it received the request of the last call, which may therefore have had an effect."""
        self.free: bool = False
        """Whether it waits for another call: it has replied, and no process of the call is left."""
        self._pid: int = 0
        self._connection = connection
        self._received = bytearray()

    async def exchange(self, body: bytes) -> bytes:
        """Send the request and read the frame of the reply. Raises ConnectionError when the stream ends before."""
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
        """Ask the supervisor to kill its process tree and wait for that; kill the tree if it does not answer."""
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

    def is_alive(self) -> bool:
        """Whether it still waits for a call."""
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def dismiss(self) -> None:
        """Ask the supervisor to cancel a running call and to end."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def await_end(self) -> None:
        """Wait briefly until it has ended, and close the socket."""
        self._connection.settimeout(IDLE_END_LIMIT)
        with contextlib.suppress(OSError):
            self._connection.recv(1)
        self.close()

    def close(self) -> None:
        """Close the socket; the supervisor ends, and kills its process tree if a call still runs."""
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
        """Receive until `until` bytes have arrived; False when the stream ends before."""
        loop = asyncio.get_running_loop()
        while len(self._received) < until:
            chunk = await loop.sock_recv(self._connection, CHUNK)
            if not chunk:
                return False
            self._received += chunk
        return True
