"""Runs a program to its end: input from memory, bounded output, and no process of its group left behind."""

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
"""Bytes that are kept of each stream; the rest is read and dropped."""
CHUNK = 65_536
PR_SET_PDEATHSIG = 1
"""prctl(2)."""
GRACE = 1.0
"""Seconds for the streams to end, and the group to be gone, after the program has ended."""


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
    """Run the program in a session of its own, with `given` on its standard input.

    Raises OSError when it cannot be started and TimeoutError when it takes too long. However this ends, every process
    of its group is killed.
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
            # Only makes one system call, on a library that is loaded already: safe between fork and exec.
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
        # A grandchild in a session of its own may hold the streams open; what it still says is not the program's.
        await asyncio.wait(readers, timeout=GRACE)
    finally:
        await _end(process)
        guard.dismiss()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        # A reader that was cancelled before its first step has not taken charge of its pipe.
        process.stdout.close()
        process.stderr.close()
    return ProgramResult(
        status=status, stdout=bytes(out.kept), stderr=bytes(err.kept), truncated=out.truncated or err.truncated
    )


_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """A loop's process that is killed takes the program with it: nobody would read its answer."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _GroupGuard:
    """Kills the program's group when this process is killed, and so can do it no more itself.

    The kernel kills the program then, but not what the program has started.
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
            # Without one the program itself ends all the same.
            pass
        finally:
            os.close(watched)

    def dismiss(self) -> None:
        """The group is gone: nobody is to be killed any more."""
        if self._shell is not None:
            # Before it can see that nobody holds the pipe: the number may be another group's by then.
            self._shell.kill()
            self._shell.wait()
        os.close(self._held)


@contextlib.contextmanager
def _memory(content: bytes) -> Generator[int]:
    """A file in memory: the program reads at its own pace, and nothing is written to a disk or waits for a pipe."""
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
    """Kill what is left of the group, reap the program, and wait until the group is empty."""
    if process.returncode is not None:
        return process.returncode
    # Killed before it is reaped: as long as the leader is there, even as a zombie, the group's id cannot be reused.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    status = process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError, TimeoutError):
        async with asyncio.timeout(GRACE):
            while True:
                os.killpg(process.pid, 0)
                await asyncio.sleep(0.005)
    return status
