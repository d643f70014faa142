"""Finds every process that a run started: a mark in the environment is inherited, whatever session a child makes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "TEST_MARK"
_COUNTER = itertools.count(1)


def command(directory: Path, config: str = "") -> Command:
    """A command whose processes can be found by its mark."""
    return Command(directory, config=config, env={VARIABLE: f"{os.getpid()}.{time.monotonic_ns()}.{next(_COUNTER)}"})


def processes(run: Command) -> dict[int, str]:
    """Living processes of the command's runs, with their command lines."""
    entry = f"{VARIABLE}={run.env[VARIABLE]}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[-120:]
    return found


def none_left(run: Command, *, seconds: float = 0.0) -> bool:
    """Whether no process is left within that time; those that are left make the failure's message."""
    deadline = time.monotonic() + seconds
    while left := processes(run):
        if time.monotonic() >= deadline:
            raise AssertionError(f"processes are left: {left}")
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def cleared(run: Command) -> Iterator[Command]:
    """Kill what the test left, on purpose or not."""
    try:
        yield run
    finally:
        kill_all(run)


def rows(run: Command, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database says."""
    connection = sqlite3.connect(run.database, timeout=10)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def kill_all(run: Command) -> int:
    """kill -9 whatever lives of the command's runs; how many that were."""
    living = processes(run)
    for pid in living:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(living)
