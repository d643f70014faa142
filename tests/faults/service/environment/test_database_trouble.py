"""A full disk and a locked database: the whole service reports it, loses nothing and recovers automatically."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import PauseLoop, ShowLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.processes.disk import mounted
from tests.support.processes.process_marks import none_left, rows
from tests.support.service import gated_loop
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path, megabytes=4) as place:
        yield place


def begin(service: Daemon, base: Path) -> Path:
    """A loop in the middle of its first step, until there is a gate."""
    witness = base / "witness"
    witness.touch()
    gated_loop.begin(service, "works", manifest("works", witness, before=gated_loop.hold(base)), base)
    return witness


def refused(service: Daemon, base: Path, taken: list[str], *, most: int = 2000) -> Problem:
    """Submit loops until one is refused; those that were acknowledged are `taken`."""
    for n in range(most):
        (base / f"more{n}").touch()
        try:
            service.submit(f"more{n}", manifest(f"more{n}", base / f"more{n}", steps=1) + "#" * 4000)
        except Problem as problem:
            return problem
        taken.append(f"more{n}")
    raise AssertionError("it was never refused")


def sick(service: Daemon) -> str:
    """The problems in the health of the service, once there is one."""
    return "; ".join(until(lambda: service.call(GetHealth()).problems, seconds=15))


def well_again(service: Daemon, base: Path, witness: Path, taken: list[str]) -> None:
    """Without intervention, everything that was acknowledged completes; what was not can be requested again."""
    until(lambda: service.call(GetHealth()).ok, seconds=15)
    done = service.until_state("works", LoopState.COMPLETED, LoopState.FAILED)
    assert (done.outcome, done.reason, done.crashes) == (Outcome.CONVERGED, None, 0)
    hold_against(service, "works", witness)
    assert len(witness.read_text().splitlines()) == 6, "nothing is repeated before it is observed"
    for name in taken:
        assert service.until_state(name, LoopState.COMPLETED, LoopState.FAILED).outcome is Outcome.CONVERGED
        hold_against(service, name, base / name, steps=1)
    assert len(service.lines()) == len(taken) + 1
    assert nothing_open(service)
    assert whole_event_log(service)
    assert rows(service.run, "PRAGMA integrity_check") == [("ok",)]
    # The same processes have survived it: none had to be restarted.
    assert all(each.restarts == 0 for each in service.call(GetHealth()).processes)
    assert service.stop() == 0
    assert none_left(service.run, seconds=5)


def test_the_service_survives_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    with daemon(small_disk, more="[loops]\nmax_iterations = 100\n") as service:
        service.start()
        witness = begin(service, tmp_path)
        taken: list[str] = []
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        problem = refused(service, tmp_path, taken)
        assert problem.code is Code.UNAVAILABLE
        assert "cannot write the database" in str(problem)
        assert "full" in str(problem)
        # The loop is in the middle of a step: it cannot report how it ended.
        (tmp_path / "gate").touch()
        assert "full" in sick(service)
        # What needs no room is answered as ever, at once.
        assert service.call(ShowLoop(loop="works")).loop.name == "works"
        filler.unlink()
        well_again(service, tmp_path, witness, taken)


def test_the_service_survives_a_locked_database(tmp_path: Path) -> None:
    with daemon(tmp_path, more="[loops]\nmax_iterations = 100\n") as service:
        service.start()
        witness = begin(service, tmp_path)
        holder = sqlite3.connect(service.run.database, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        (tmp_path / "gate").touch()
        with pytest.raises(Problem) as caught:
            service.call(PauseLoop(loop="works"))
        assert caught.value.code is Code.UNAVAILABLE
        assert "locked" in str(caught.value)
        assert "locked" in sick(service) or "not answered" in sick(service)
        assert service.call(ShowLoop(loop="works")).loop.name == "works"
        holder.execute("ROLLBACK")
        holder.close()
        well_again(service, tmp_path, witness, [])
