"""What the service has acknowledged to a client exists, whichever process is killed; what it refused does not."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, SubmitLoop
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import whole_event_log
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = float(os.environ.get("FAULT_SECONDS", "5"))
CLIENTS = 4
TEXT = "version: 1\nname: web\nsteps:\n  - {name: observe, check: {path: /}, action: {module: ping}}\n"


class Person(threading.Thread):
    """Asks for a loop, then for its end, again and again; notes what was answered."""

    def __init__(self, service: Daemon, number: int, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.made: list[str] = []
        self.unsure: list[str] = []
        self.cancelled: list[str] = []
        self.odd: list[Problem] = []
        self._service = service
        self._number = number
        self._over = over

    def run(self) -> None:
        n = 0
        while not self._over.is_set():
            n += 1
            name = f"of{self._number}.{n}"
            try:
                with self._service.connect() as connection:
                    connection.call(SubmitLoop(spec=LoopSpec(name=name, desired_state=TEXT), paused=True))
                    self.made.append(name)
                    connection.call(CancelLoop(loop=name))
                    self.cancelled.append(name)
            except Problem as problem:
                if problem.code is not Code.UNAVAILABLE:
                    self.odd.append(problem)
                if name not in self.made:
                    self.unsure.append(name)
                time.sleep(0.02)


def test_acknowledged_requests_survive_every_kill(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        over = threading.Event()
        people = [Person(service, n, over) for n in range(CLIENTS)]
        for one in people:
            one.start()
        rng = random.Random()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            target = rng.choice(["writer", "writer", "control", "root"])
            if target == "root":
                assert service.process is not None
                service.process.kill()
                service.wait()
                service.spawn()
            else:
                found = until(lambda target=target: pids(service).get(target))
                assert found is not None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found, signal.SIGKILL)
            # What the next life is used for: a few requests at least.
            count = sum(len(one.made) for one in people)
            until(lambda count=count: sum(len(one.made) for one in people) > count + 5)
        over.set()
        for one in people:
            one.join(30)
            assert not one.is_alive()
            assert one.odd == []
        until(service.answers)
        made = {name for one in people for name in one.made}
        unsure = {name for one in people for name in one.unsure}
        print(f"{len(made)} acknowledged, {len(unsure)} without an answer")
        there = dict(rows(service.run, "SELECT name, state FROM loops"))
        assert made <= set(there) <= made | unsure
        assert {there[name] for one in people for name in one.cancelled} == {LoopState.CANCELLED.value}
        # Submitted twice, executed once.
        created = rows(
            service.run,
            "SELECT subject, kind, count(*) FROM events WHERE kind IN ('loop.created', 'loop.cancelled')"
            " GROUP BY subject, kind HAVING count(*) <> 1",
        )
        assert created == []
        assert whole_event_log(service)
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def pids(service: Daemon) -> dict[str, int]:
    try:
        return service.pids()
    except Problem:
        return {}
