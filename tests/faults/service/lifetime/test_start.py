"""When the service starts loops: after a boot one after another, and never more at a time than there are places."""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.clock import SystemClock, seconds_between
from ftl2_enterprise.loops import manager
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from ftl2_enterprise.protocol.service.verbs import ListEvents
from tests.support.processes import process_marks
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.service.verbs import Event

HELD = """\
version: 1
name: {name}
steps:
  - name: held
    check: {{path: {directory}/{name}.done, state: file}}
    action: {{module: shell, params: {{cmd: "flock --shared {directory}/{gate} touch {directory}/{name}.done"}}}}
"""
LOOPS = 8
SPLAY = 3.0


def submit(service: Daemon, name: str, *, gate: str = "gate", priority: int = 0) -> None:
    """A loop that is in the middle of its action for as long as the lock of the gate is held."""
    text = HELD.format(name=name, gate=gate, directory=service.directory)
    service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state=text), priority=priority))


def in_action(service: Daemon, count: int, *, after: int = 0) -> bool:
    query = "SELECT count(*) FROM actions WHERE state = 'running' AND id > ?"
    return rows(service.run, query, after) == [(count,)]


def facts(service: Daemon, *kinds: str, after: int = 0) -> list[Event]:
    found: list[Event] = service.call(ListEvents(after=after, limit=1000)).events
    return [event for event in found if event.kind in kinds]


def test_after_a_boot_loops_begin_spread_over_the_splay(tmp_path: Path) -> None:
    # Starts are never further apart than a gap, which is too small to be distinguished from the duration of a start:
    # without it they are spread over all of the splay.
    assert manager.SPLAY_GAP < SPLAY / LOOPS
    (tmp_path / "python").mkdir()
    widened = (
        "import ftl2_enterprise.loops.manager as manager\nassert manager.SPLAY_GAP\nmanager.SPLAY_GAP = 1000.0\n"
    )
    (tmp_path / "python" / "sitecustomize.py").write_text(widened)
    with (tmp_path / "gate").open("w") as gate, daemon(tmp_path) as service:
        service.run.config = service.run.config.replace("splay = 0", f"splay = {SPLAY}")
        fcntl.flock(gate, fcntl.LOCK_EX)
        service.start()
        for n in range(LOOPS):
            submit(service, f"loop{n}")
        until(lambda: in_action(service, LOOPS))
        process_marks.kill_all(service.run)
        service.wait()
        ((fact, action),) = rows(service.run, "SELECT (SELECT max(id) FROM events), (SELECT max(id) FROM actions)")
        before = SystemClock().now()
        service.start(env={"PYTHONPATH": os.pathsep.join([str(tmp_path / "python"), *sys.path])})
        until(lambda: in_action(service, LOOPS, after=action))
        started = facts(service, "loop.started", after=fact)
        assert len(started) == len({event.subject for event in started}) == LOOPS
        times = [seconds_between(before, event.at) for event in started]
        print(f"began after {[round(time, 2) for time in times]} s")
        # On a busy machine the first ones may begin late; none begins before it may.
        assert times[-1] > (LOOPS - 1) * SPLAY / LOOPS
        fcntl.flock(gate, fcntl.LOCK_UN)
        for n in range(LOOPS):
            assert service.until_state(f"loop{n}", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


@pytest.mark.parametrize("places", [1, 2])
def test_places_are_given_by_priority_and_waiting_time(tmp_path: Path, places: int) -> None:
    first, others = tmp_path / "first", tmp_path / "gate"
    with (
        first.open("w") as gate,
        others.open("w") as other_gate,
        daemon(tmp_path, supervisor=f"max_running = {places}") as service,
    ):
        for held in (gate, other_gate):
            fcntl.flock(held, fcntl.LOCK_EX)
        service.start()
        holders = [f"holder{n}" for n in range(places)]
        for n, name in enumerate(holders):
            submit(service, name, gate="gate" if n else "first")
        until(lambda: in_action(service, places))
        waiting = [("low-old", 0), ("high-old", 50), ("middle", 20), ("low-new", 0), ("high-new", 50), ("least", -5)]
        for name, priority in waiting:
            submit(service, name, gate="none", priority=priority)
        assert [service.loop(name).state for name, _ in waiting] == [LoopState.PENDING] * len(waiting)
        # One place becomes free; the others are taken until all have had their turn in it.
        fcntl.flock(gate, fcntl.LOCK_UN)
        for name, _ in waiting:
            service.until_state(name, LoopState.COMPLETED)
        fcntl.flock(other_gate, fcntl.LOCK_UN)
        for name in holders:
            service.until_state(name, LoopState.COMPLETED)
        names = dict(rows(service.run, "SELECT 'loop:' || id, name FROM loops"))
        found = facts(service, "loop.started", "loop.completed")
        begun = [names[event.subject] for event in found if event.kind == "loop.started"]
        assert set(begun[:places]) == set(holders)
        assert begun[places:] == ["high-old", "high-new", "middle", "low-old", "low-new", "least"]
        at_work = list(itertools.accumulate(1 if event.kind == "loop.started" else -1 for event in found))
        assert max(at_work) == places
        assert at_work[-1] == 0
        assert service.stop() == 0
