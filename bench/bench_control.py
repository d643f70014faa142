"""The control socket: a ping and the status of 200 loops over one connection, and the gap when control is killed."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Row
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.fact import Fact
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.verbs import ListLoops
from ftl2_enterprise.protocol.service.verbs import GetVersion
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.wiring.database import open_database
from tests.support.service.control_process import control
from tests.support.service.daemon import daemon

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.client import Client

LOOPS = 200
RUNS = 3000
GOAL_STATUS = 0.3
"""Milliseconds; those of the status of 200 processes: supervisord 137, circus 1.6."""
GOAL_PING = 0.1
GOAL_GAP = 250.0
"""Milliseconds from the death of control to the first answer of the next one."""
KILLS = 10
HEALTHY = 1.2
"""Seconds after which root restarts a process immediately; control is killed again after that time."""


def run() -> list[Row]:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _fill(directory / "loops.db")
        with control(directory) as service, service.connect() as client:
            while len(service.root.table) < LOOPS:
                time.sleep(0.01)
            ping = _times(lambda: client.call(GetVersion()))
            status = _times(lambda: client.call(ListLoops()))
            changed = _times(lambda: _changed(client, directory), runs=200)
    rows: list[Row] = []
    for name, times, goal in (
        ("ping", ping, GOAL_PING),
        (f"status of {LOOPS} loops", status, GOAL_STATUS),
        (f"status of {LOOPS} loops, after a change", changed, 10.0),
    ):
        for what, value in (("p50", statistics.median(times)), ("p99", statistics.quantiles(times, n=100)[98])):
            rows.append(Row(name=f"{name}, {what}", ours=value, peer=goal, unit="ms", against="the goal"))
    gaps = _gaps()
    rows += [
        Row(name=f"control killed until it answers, {what}", ours=value, peer=GOAL_GAP, unit="ms", against="the goal")
        for what, value in (("p50", statistics.median(gaps)), (f"worst of {KILLS}", max(gaps)))
    ]
    return rows


def _gaps() -> list[float]:
    """Milliseconds until the next answer, for each kill of the control of a complete service."""
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder)) as service:
        service.start()
        found: list[float] = []
        for _ in range(KILLS):
            time.sleep(HEALTHY)
            found.append(service.gap() * 1000)
        service.stop()
    return found


def _fill(database: Path) -> None:
    opened = open_database(database, create=True)
    with opened.write() as tx:
        for number in range(LOOPS):
            loop_rows.create_loop(tx, LoopSpec(name=f"loop-{number}", desired_state="nginx answers on port 80"))
    opened.close()


def _times(action: Callable[[], Any], runs: int = RUNS) -> list[float]:
    for _ in range(20):
        action()
    found: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        found.append((time.perf_counter() - began) * 1000)
    return found


class BenchChanged(Fact, frozen=True, tag="bench.changed"):
    """Another process has written something."""


_stores: dict[Path, Any] = {}


def _changed(client: Client, directory: Path) -> None:
    """A commit of another process invalidates the cache; the time includes the commit."""
    if directory not in _stores:
        _stores[directory] = open_database(directory / "loops.db", create=False)
    with _stores[directory].write() as tx:
        tx.emit(BenchChanged(), subject=SERVICE)
    client.call(ListLoops())
