"""Runs a program to its end, with input from memory and limited output, and kills its process group afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes that are kept of each stream; the rest is discarded."""
CHUNK = 65_536
PR_SET_PDEATHSIG = 1
"""prctl(2)."""
GRACE = 1.0
"""Seconds to wait, after the program has ended, for its streams to close and its group to disappear."""


@dataclass(frozen=True, kw_only=True)
class ProgramResult:
    """How the program ended; a negative status is the signal that killed it."""

    status: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


async def run(
    argv: Sequence[str],
    *,
    given: bytes,
    env: Mapping[str, str],
    cwd: str,
    timeout: float,  # noqa: ASYNC109 - it ends the program, not only the wait
    limit: int = OUTPUT_LIMIT,
) -> ProgramResult:
    """Run the program in a new session, with `given` on its standard input. `timeout` is in seconds.

    Raises OSError when it cannot be started, and TimeoutError. In all cases every process of its group is killed.
    """
    with _memory(given) as source:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns once the program is executed
            argv,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            start_new_session=True,
            # Makes only one system call, through a library that is loaded already: safe between fork and exec.
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )
    guard = _GroupGuard(process.pid)
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = _Stream(limit), _Stream(limit)
    readers = [
        asyncio.ensure_future(stream.read(pipe)) for stream, pipe in ((out, process.stdout), (err, process.stderr))
    ]
    try:
        async with asyncio.timeout(timeout):
            await _end_of(process.pid)
        status = await _end(process)
        # A grandchild in another session may keep the streams open; its output does not count.
        await asyncio.wait(readers, timeout=GRACE)
    finally:
        await _end(process)
        guard.dismiss()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        # A reader that was cancelled before its first step has not closed its pipe.
        process.stdout.close()
        process.stderr.close()
    return ProgramResult(
        status=status, stdout=bytes(out.kept), stderr=bytes(err.kept), truncated=out.truncated or err.truncated
    )


_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Let the kernel kill the program when the process of the loop dies (PR_SET_PDEATHSIG)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _GroupGuard:
    """A watcher process that kills the program's group when this process dies.

    The kernel kills the program then, but not the processes that it started.
    """

    _WATCH = 'read _; kill -s KILL -- "-$1"'

    def __init__(self, group: int) -> None:
        watched, self._held = os.pipe()
        self._shell: subprocess.Popen[bytes] | None = None
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", self._WATCH, "guard", str(group)],
                stdin=watched,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        except OSError:
            # Without the watcher, at least the program itself ends.
            pass
        finally:
            os.close(watched)

    def dismiss(self) -> None:
        """End the watcher without a kill, because the group has ended."""
        if self._shell is not None:
            # Killed before the pipe closes, at which it would kill the group: its id may be reused by then.
            self._shell.kill()
            self._shell.wait()
        os.close(self._held)


@contextlib.contextmanager
def _memory(content: bytes) -> Generator[int]:
    """A file in memory as standard input, which needs neither a disk nor a writer for a pipe."""
    descriptor = os.memfd_create("prompt")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


class _Stream:
    def __init__(self, limit: int) -> None:
        self.kept = bytearray()
        self.truncated = False
        self._limit = limit

    async def read(self, pipe: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while chunk := await reader.read(CHUNK):
                room = self._limit - len(self.kept)
                self.kept += chunk[:room]
                self.truncated = self.truncated or len(chunk) > room
        finally:
            transport.close()


async def _end_of(pid: int) -> None:
    """Wait until the process has ended, without reaping it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, lambda: ended.done() or ended.set_result(None))
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill the rest of the group, reap the program, and wait until the group is empty."""
    if process.returncode is not None:
        return process.returncode
    # Killed before the leader is reaped: while it exists, even as a zombie, the group's id cannot be reused.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    status = process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError, TimeoutError):
        async with asyncio.timeout(GRACE):
            while True:
                os.killpg(process.pid, 0)
                await asyncio.sleep(0.005)
    return status
