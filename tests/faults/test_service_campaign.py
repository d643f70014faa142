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

from ftl2_enterprise.core.problem import Problem
from tests.support.daemon import Daemon, daemon
from tests.support.marked import none_left, rows
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

LOOPS = int(os.environ.get("FAULT_LOOPS", "24"))
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
SEED = os.environ.get("FAULT_SEED")
STEPS = 6
EVERY = 0.2
SETTLE = 60.0 + LOOPS
"""Seconds within which every loop has to get there once nobody shoots any more."""

HEAD = """
version: 1
name: {name}
steps:
"""
STEP = """
  - name: s{step}
    {requires}
    check: {{command: "grep -q '^s{step} ' {witness}"}}
    action: {{module: shell, params: {{cmd: "{effect}"}}}}
"""
EFFECT = "token=$(date +%s%N).$$; echo s{step} $token >> {witness}; echo $token"


def manifest(name: str, witness: Path) -> str:
    steps = [
        STEP.format(
            step=step,
            witness=witness,
            requires=f"requires: [s{step - 1}]" if step else "",
            effect=EFFECT.format(step=step, witness=witness),
        )
        for step in range(STEPS)
    ]
    return HEAD.format(name=name) + "".join(steps)


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
        while (now := time.monotonic()) < end:
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
    assert sum(gun.shots.values()) > SECONDS / EVERY / 4, "the service was hardly ever there to be shot at"


def all_done(service: Daemon) -> bool:
    with contextlib.suppress(Problem):
        states = Counter(str(line.state) for line in service.lines().values())
        assert not states["failed"], [line.reason for line in service.lines().values() if line.state == "failed"]
        return states["completed"] == LOOPS
    return False


def hold_against(service: Daemon, name: str, witness: Path) -> None:
    """The database's account of a loop against what really happened."""
    happened = [line.split() for line in witness.read_text().splitlines()]
    tokens = [token for _, token in happened]
    assert len(set(tokens)) == len(tokens), f"{name}: an effect is there twice"
    assert {step for step, _ in happened} == {f"s{step}" for step in range(STEPS)}, f"{name}: {happened}"
    actions = rows(
        service.run,
        "SELECT state, stdout FROM actions WHERE loop_id = (SELECT id FROM loops WHERE name = ?)",
        name,
    )
    done = [stdout.strip() for state, stdout in actions if state == "succeeded"]
    assert len(set(done)) == len(done)
    assert set(done) <= set(tokens), f"{name}: a success that did not happen"
    unknown = sum(1 for state, _ in actions if state == "unknown")
    assert len(tokens) - len(done) <= unknown, f"{name}: effects that nobody knows of"
    succeeded = Counter(step for step, token in happened if token in done)
    assert all(number == 1 for number in succeeded.values()), f"{name}: done again: {succeeded}"
    # Once a step is known to be done, it is not done again: what nobody knows of came before.
    for step, _ in happened:
        of_step = [token in done for name_, token in happened if name_ == step]
        assert True not in of_step[:-1], f"{name}: {step} was done again after a success: {of_step}"


def whole_event_log(service: Daemon) -> bool:
    ((count, first, last),) = rows(service.run, "SELECT count(*), min(id), max(id) FROM events")
    return count == last - first + 1
