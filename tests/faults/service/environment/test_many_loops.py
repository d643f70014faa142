"""Many loops in one service: those that rest cost next to nothing, and those that begin at once all get there."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import ListLoops
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.waiting import until

RESTING = 1000
DUE = 20
LOOPS = int(os.environ.get("FAULT_LOOPS", "60"))


def own_memory(pid: int) -> int:
    """Bytes that the process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def multiply(service: Daemon, times: int) -> None:
    """Copies of the one loop that rests; the last of them are due."""
    with sqlite3.connect(service.run.database) as connection:
        names = [each[1] for each in connection.execute("PRAGMA table_info(loops)") if each[1] not in {"id", "name"}]
        columns = ", ".join(f'"{name}"' for name in names)
        for n in range(times):
            connection.execute(f"INSERT INTO loops (name, {columns}) SELECT 'copy{n}', {columns} FROM loops LIMIT 1")
        connection.execute("UPDATE loops SET next_run_at = next_run_at + 3600000000")
        connection.execute("UPDATE loops SET next_run_at = 1 WHERE id > ?", (times + 1 - DUE,))
    connection.close()


@pytest.mark.timeout(180)
def test_a_thousand_resting_loops_need_few_resources(tmp_path: Path) -> None:
    seen = "version: 1\nname: rests\nsteps:\n  - {name: observe, check: {path: /}, action: {module: ping}}\n"
    with daemon(tmp_path) as service:
        service.start()
        service.submit("rests", seen, mode=Mode.CONTINUOUS, interval=3600)
        service.until_state("rests", LoopState.RESTING)
        small = own_memory(service.pids()["control"])
        assert service.stop() == 0
        multiply(service, RESTING - 1)
        began = time.monotonic()
        service.start()
        started = time.monotonic() - began
        until(lambda: rows(service.run, "SELECT count(*) FROM loops WHERE run = 2") == [(DUE,)])
        # A process that has just claimed its loop may not be in the list yet.
        until(lambda: all(line.pid is None and line.state is LoopState.RESTING for line in service.lines().values()))
        with service.connect() as connection:
            began = time.monotonic()
            page = connection.call(ListLoops())
            listed = time.monotonic() - began
            began = time.monotonic()
            connection.call(GetHealth())
            asked = time.monotonic() - began
        large = own_memory(service.pids()["control"])
        print(
            f"started in {started:.2f} s, listed in {listed * 1000:.1f} ms, health {asked * 1000:.2f} ms"
            f", control {large / 1e6:.1f} MB instead of {small / 1e6:.1f} MB"
        )
        assert len(page.loops) == RESTING
        # It shows what the managers saw last; the last end may be about to be recorded.
        until(lambda: service.call(GetHealth()).status == f"{RESTING} resting")
        # Those that were due have run once, and no other has.
        assert rows(service.run, "SELECT run, count(*) FROM loops GROUP BY run") == [(1, RESTING - DUE), (2, DUE)]
        assert listed < 0.5
        assert large - small < 30e6
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


@pytest.mark.timeout(600)
def test_many_loops_can_begin_at_once(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        witnesses = {f"loop{n}": tmp_path / f"witness{n}" for n in range(LOOPS)}
        began = time.monotonic()
        for name, witness in witnesses.items():
            witness.touch()
            service.submit(name, manifest(name, witness, steps=2))
        submitted = time.monotonic() - began

        def over() -> bool:
            states = [line.state for line in service.lines().values()]
            assert LoopState.FAILED not in states
            return states.count(LoopState.COMPLETED) == LOOPS

        until(over, seconds=30 + LOOPS)
        print(f"{LOOPS} submitted in {submitted:.2f} s, there after {time.monotonic() - began:.1f} s")
        for name, witness in witnesses.items():
            hold_against(service, name, witness, steps=2, unknown=0)
        assert rows(service.run, "SELECT max(crashes) FROM loops") == [(0,)]
        assert nothing_open(service)
        assert whole_event_log(service)
        assert all(each.restarts == 0 for each in service.call(GetHealth()).processes)
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
