"""Readers: what one does, and whatever becomes of it, costs control neither its time nor its memory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.child_startup import Startup
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.settings.model import Loaded
from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.hosts import HostKeys
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys
from ftl2_enterprise.supervisor.readers.pool import MOST_READERS, ReaderCrashed, Readers
from ftl2_enterprise.wiring.loops.readings import FIND_HOST_KEYS
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.places import REPOSITORY
from tests.support.service import readers_main
from tests.support.service.readers_main import READINGS

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def forker(within: float = 20.0) -> Generator[tuple[Readers, subprocess.Popen[bytes]]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", readers_main.__name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], cwd=REPOSITORY,
        )  # fmt: skip
    readers = Readers(lambda: "argument", ours, within=within)
    try:
        yield readers, process
    finally:
        readers.close()
        assert process.wait(10) in {0, -signal.SIGKILL}


async def ended(pid: int) -> None:
    """Wait until the process has ended; a zombie has."""
    async with asyncio.timeout(10):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                return
            if state in "ZX":
                return
            await asyncio.sleep(0.01)


async def written(path: Path) -> list[int]:
    async with asyncio.timeout(10):
        while not (path.exists() and path.read_text().strip()):
            await asyncio.sleep(0.01)
    return [int(word) for word in path.read_text().split()]


async def test_results_and_problems_arrive() -> None:
    with forker() as (readers, _):
        assert await readers.read(READINGS["echo"], "ä" * 3_000_000) == "argument: " + "ä" * 3_000_000
        with pytest.raises(Problem, match="cannot read this") as refused:
            await readers.read(READINGS["refuse"], "this")
        assert (refused.value.code, refused.value.hint) == (Code.INVALID, "hint")
        with pytest.raises(ReaderCrashed, match="KeyError: 'this'"):
            await readers.read(READINGS["crash"], "this")


@pytest.mark.parametrize(
    ("name", "reason"), [("grow", "that takes more than 512 MiB of memory"), ("nest", "nested too deeply")]
)
async def test_a_reader_that_needs_too_much_is_refused(name: str, reason: str) -> None:
    with forker() as (readers, _):
        with pytest.raises(Problem, match=f"cannot read the text x: .*{reason}") as refused:
            await readers.read(READINGS[name], "x")
        assert refused.value.code is Code.INVALID
        assert await readers.read(READINGS["echo"], "still") == "argument: still"


async def test_a_reader_that_takes_too_long_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    with forker(within=1.0) as (readers, _):
        hanging = [
            asyncio.ensure_future(readers.read(READINGS["hang"], str(tmp_path / str(n)))) for n in range(MOST_READERS)
        ]
        pids = [pid for n in range(MOST_READERS) for pid in await written(tmp_path / f"{n}.done")]
        for refused in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(refused, Problem)
            assert refused.code is Code.UNAVAILABLE
            assert refused.message.startswith(f"cannot read the text {tmp_path}")
            assert refused.message.endswith("within 1 seconds")
        assert len(pids) == 4 * MOST_READERS
        for pid in pids:
            await ended(pid)
        assert await readers.read(READINGS["echo"], "next") == "argument: next"


async def test_what_a_reader_leaves_is_killed(tmp_path: Path) -> None:
    with forker() as (readers, _):
        path = tmp_path / "left"
        await readers.read(READINGS["leave"], str(path))
        (pid,) = await written(path)
        await ended(pid)


async def test_a_killed_reader_is_reported(tmp_path: Path) -> None:
    with forker() as (readers, _):
        hanging = asyncio.ensure_future(readers.read(READINGS["hang"], str(tmp_path / "a")))
        reader, *others = await written(tmp_path / "a.done")
        os.kill(reader, signal.SIGKILL)
        with pytest.raises(Problem, match="the process that read it was killed"):
            await hanging
        for pid in others:
            await ended(pid)


async def test_readers_end_with_the_process_that_forks_them(tmp_path: Path) -> None:
    with forker() as (readers, process):
        hanging = asyncio.ensure_future(readers.read(READINGS["hang"], str(tmp_path / "a")))
        reader, *others = await written(tmp_path / "a.done")
        process.kill()
        await ended(reader)
        with pytest.raises(Problem):
            await hanging
        for pid in others:
            os.kill(pid, signal.SIGKILL)


async def test_when_the_process_that_forks_readers_was_killed_another_one_is_started(tmp_path: Path) -> None:
    settings = MODEL.of(LoopSettings(), StoreSettings(path=str(tmp_path / "loops.db")))
    argument = Startup(writer="").renewed(Loaded(settings=settings, origins={})).encode()
    (tmp_path / "hosts.yaml").write_text("web: {hosts: {web01: {ansible_host: 192.0.2.1}}}\n")
    request = FindHostKeys(host="web01", inventory=str(tmp_path / "hosts.yaml"))
    readers = Readers(lambda: argument, None)
    try:
        for _ in range(2):
            found = await readers.read(FIND_HOST_KEYS, request)
            assert isinstance(found, HostKeys)
            assert (found.host, found.port) == ("192.0.2.1", 22)
            assert readers._process is not None
            readers._process.kill()
            readers._process.wait()
    finally:
        readers.close()
