"""A manager that fails on an invalid row: the service reports it, and can be controlled until it is repaired."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, PauseLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import daemon
from tests.support.service.effects_oracle import hold_against, manifest
from tests.support.service.gated_loop import hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_row_on_which_the_manager_fails_stops_nothing_else(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        before = service.pids()
        for name in ("works", "next", "bad"):
            (tmp_path / name).touch()
        wait = hold(tmp_path)
        service.submit("works", manifest("works", tmp_path / "works", before=wait))
        service.submit("bad", manifest("bad", tmp_path / "bad", before=wait))
        pid = until(lambda: service.lines()["bad"].pid)
        assert pid is not None
        service.call(PauseLoop(loop="bad"))
        (tmp_path / "gate").touch()
        service.until_state("bad", LoopState.PAUSED)
        until(lambda: service.lines()["bad"].pid is None)
        # A time that is none: nothing in the service writes such a thing.
        with sqlite3.connect(service.run.database) as connection:
            connection.execute("UPDATE loops SET created_at = 'soon', desired = 'run' WHERE name = 'bad'")
        connection.close()
        problem = until(lambda: "; ".join(service.call(GetHealth()).problems), seconds=10)
        assert problem.startswith("the manager of loop failed: internal error")
        # What runs continues, requests are recorded, and everything is shown.
        assert service.until_state("works", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        hold_against(service, "works", tmp_path / "works", unknown=0)
        service.submit("next", manifest("next", tmp_path / "next"))
        assert service.loop("next").state is LoopState.PENDING
        assert set(service.lines()) == {"works", "next", "bad"}
        # Once the row is removed, the manager continues, with what was requested in the meantime.
        with contextlib.suppress(Problem):
            # Its own row cannot be encoded as a reply.
            service.call(CancelLoop(loop="bad"))
        until(lambda: service.lines()["bad"].state is LoopState.CANCELLED)
        assert service.until_state("next", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        until(lambda: service.call(GetHealth()).ok, seconds=10)
        # No process had to be restarted for it.
        assert service.pids() == before
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
