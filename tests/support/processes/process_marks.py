"""Finds every process that a run started by a mark in the environment, which is inherited in any session."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes.command import Command

if TYPE_CHECKING:
    from collections.abc import Generator

VARIABLE = "TEST_MARK"
_COUNTER = itertools.count(1)


def command(directory: Path, config: str = "") -> Command:
    """A command whose processes can be found by a mark that no other command has."""
    return Command(directory, config=config, env={VARIABLE: f"{os.getpid()}.{time.monotonic_ns()}.{next(_COUNTER)}"})


def processes(run: Command) -> dict[int, str]:
    """Processes of the command's runs that have not ended: process id to the end of the command line."""
    entry = f"{VARIABLE}={run.env[VARIABLE]}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[-120:]
    return found


def none_left(run: Command, *, seconds: float = 0.0) -> bool:
    """Whether all processes have ended within `seconds`. Raises AssertionError that lists those that have not."""
    deadline = time.monotonic() + seconds
    while left := processes(run):
        if time.monotonic() >= deadline:
            raise AssertionError(f"processes are left: {left}")
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def cleared(run: Command) -> Generator[Command]:
    """Kill at the end whatever the test has left running, on purpose or not."""
    try:
        yield run
    finally:
        kill_all(run)


def rows(run: Command, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the command's database, read directly."""
    connection = sqlite3.connect(run.database, timeout=10)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def kill_all(run: Command, *, limit: float = 10.0) -> int:
    """kill -9 every process of the command's runs, until none is left; the number of processes that were killed.

    One pass is not enough: a process that is forked after /proc was listed is not in the list, and a process whose
    parent was killed while it held it stopped (SIGSTOP, as the supervisor of a call does before it kills) stays
    stopped until it is killed here. Two passes in a row must find none, because for a moment within execve(2) the
    environment of a process reads as empty.
    """
    deadline = time.monotonic() + limit
    killed: set[int] = set()
    empty = 0
    while empty < 2:
        living = processes(run)
        assert not living or time.monotonic() < deadline, f"processes cannot be killed: {living}"
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(living)
        empty = 0 if living else empty + 1
    return len(killed)
