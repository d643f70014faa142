"""A wake-up that comes at any moment of a process's life is a wake-up, never its end."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Mode
from tests.support.processes.process_marks import processes, rows
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version: 1
name: short
steps:
  - name: directory
    file: {{path: {directory}, state: directory}}
"""


def test_wake_ups_while_processes_begin_and_end_are_no_crashes(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="rest = 0") as service:
        service.start()
        own = set(service.pids().values())
        for name in ("one", "two"):
            service.submit(name, MANIFEST.format(directory=tmp_path), mode=Mode.CONTINUOUS, interval=0.05)

        def shaken() -> bool:
            for _ in range(20):
                for pid in children(service.pids()["root"]) - own:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGUSR1)
            return all(service.loop(name).run >= 25 for name in ("one", "two"))

        until(shaken, seconds=60)
        assert rows(service.run, "SELECT data FROM events WHERE kind = 'loop.crashed'") == []
        assert processes(service.run)


def children(pid: int) -> set[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return {int(word) for word in file.read().split()}
