"""Loops at work while their service is shot at: every 200 ms one of root, control, writer, forkserver or a loop dies.

Each effect appends a line to a file of its loop, which nothing else writes. When it is over, those files are the
witness: what the database calls done was done once, and what was wanted is there.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from tests.support.daemon import Daemon, daemon
from tests.support.marked import none_left
from tests.support.waiting import until
from tests.support.witness import hold_against, manifest, whole_event_log

if TYPE_CHECKING:
    from pathlib import Path

LOOPS = int(os.environ.get("FAULT_LOOPS", "24"))
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
SEED = os.environ.get("FAULT_SEED")
EVERY = 0.2
SETTLE = 60.0 + LOOPS
"""Seconds within which every loop has to get there once nobody shoots any more."""


@dataclass
class Gun:
    """Kills, and what systemd does when root is dead."""

    service: Daemon
    rng: random.Random
    shots: Counter[str] = field(default_factory=Counter[str])

    def shoot(self) -> None:
        target = self.rng.choice(["root", "control", "writer", "forkserver", "loop", "loop"])
        process = self.service.process
        assert process is not None
        if target == "root":
            process.kill()
        else:
            # What cannot be asked (control is dead just now) is not killed this time.
            with contextlib.suppress(Problem):
                pid = self._loop() if target == "loop" else self.service.pids().get(target)
                if pid is None:
                    return
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.shots[target] += 1
        if process.poll() is not None or target == "root":
            process.wait(10)
            self.service.spawn()

    def _loop(self) -> int | None:
        living = [line.pid for line in self.service.lines().values() if line.pid is not None]
        return self.rng.choice(living) if living else None


@pytest.mark.timeout(SECONDS + 2 * SETTLE + 120)
def test_nothing_is_lost_and_nothing_acknowledged_is_done_twice(tmp_path: Path) -> None:
    seed = int(SEED) if SEED else secrets.randbits(32)
    print(f"seed {seed}")
    with daemon(tmp_path, supervisor="restart_limit = 1000\nrestart_delay = 0.05") as service:
        service.start()
        witnesses = {f"loop{n}": tmp_path / f"witness{n}" for n in range(LOOPS)}
        for name, witness in witnesses.items():
            witness.touch()
            service.submit(name, manifest(name, witness), max_iterations=1000)
        gun = Gun(service, random.Random(seed))
        end = time.monotonic() + SECONDS
        # A busy machine takes longer to be back between two shots: then it is shot at for longer.
        while (now := time.monotonic()) < end or sum(gun.shots.values()) < SECONDS / EVERY / 4:
            assert now < end + SETTLE, "the service was hardly ever there to be shot at"
            gun.shoot()
            time.sleep(max(0.0, now + EVERY - time.monotonic()))
        print(f"shot {dict(gun.shots)}")
        until(service.answers)
        until(lambda: all_done(service), seconds=SETTLE)
        for name, witness in witnesses.items():
            hold_against(service, name, witness)
        assert whole_event_log(service)
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def all_done(service: Daemon) -> bool:
    with contextlib.suppress(Problem):
        states = Counter(str(line.state) for line in service.lines().values())
        assert not states["failed"], [line.reason for line in service.lines().values() if line.state == "failed"]
        return states["completed"] == LOOPS
    return False
