"""Freezes of the service: kept whatever process dies, in force while control or the database hangs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import FreezeEffects, GetHealth, ListFreezes, ThawEffects
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

ONE = """
version: 1
name: one
steps:
  - name: one
    check: {{path: {base}/one}}
    action: {{module: shell, params: {{cmd: "touch {base}/one"}}}}
"""
ALL = FreezeEffects(scope=FreezeScope.ALL, reason="incident")


def held(service: Daemon, name: str) -> bool:
    return service.loop(name).frozen_by is not None


def test_a_loop_that_is_held_rests_and_continues_when_the_freeze_ends(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        made = service.call(ALL)
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        until(lambda: service.lines()["one"].pid is None)
        loop = service.loop("one")
        assert (loop.state, loop.frozen_by, loop.action_count) == (LoopState.RESTING, made.freeze.id, 0)
        assert "incident" in (loop.reason or "")
        health = service.call(GetHealth())
        assert health.ok
        assert [one.freeze.id for one in health.frozen] == [made.freeze.id]
        assert health.status.startswith("1 freeze in force: ")
        shown = service.run.run("freezes")
        assert made.freeze.id in shown.stdout
        service.call(ThawEffects())
        assert service.until_state("one", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        assert rows(service.run, "SELECT kind FROM events WHERE kind LIKE 'service.%'") == [
            ("service.frozen",),
            ("service.thawed",),
        ]
        assert service.stop() == 0


def test_a_freeze_of_one_loop_holds_no_other(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        (tmp_path / "b").mkdir()
        service.call(ALL)
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        made = service.call(FreezeEffects(scope=FreezeScope.SUBJECT, of="loop:one", reason="its own"))
        assert made.name == "one"
        service.call(ThawEffects())
        service.submit("two", ONE.format(base=tmp_path / "b"))
        service.until_state("two", LoopState.COMPLETED)
        until(lambda: service.loop("one").frozen_by == made.freeze.id)
        assert not (tmp_path / "one").exists()
        service.call(ThawEffects(id=made.freeze.id, gradually=True))
        service.until_state("one", LoopState.COMPLETED)
        assert service.stop() == 0


@pytest.mark.parametrize("name", ["root", "control", "writer", "forkserver"])
def test_a_freeze_is_kept_when_a_process_of_the_service_is_killed(tmp_path: Path, name: str) -> None:
    with daemon(tmp_path) as service:
        service.start()
        made = service.call(ALL)
        service.kill(name)
        if name == "root":
            service.wait()
            service.start()
        until(service.answers)
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        assert [one.freeze.id for one in service.call(ListFreezes())] == [made.freeze.id]
        assert not (tmp_path / "one").exists()
        service.call(ThawEffects())
        service.until_state("one", LoopState.COMPLETED)
        assert service.stop() == 0


@pytest.mark.parametrize(
    "point", [FaultPoint.FREEZE_UNFINISHED, FaultPoint.FREEZE_WRITTEN, FaultPoint.FREEZE_RECORDED]
)
def test_control_is_killed_while_it_freezes(tmp_path: Path, point: FaultPoint) -> None:
    with daemon(tmp_path) as service:
        service.start(fault=f"{point}#1=kill@{tmp_path}/struck")
        with pytest.raises(Problem):
            service.call(ALL)
        until((tmp_path / "struck").exists)
        until(service.answers)
        if point is FaultPoint.FREEZE_UNFINISHED:
            assert service.call(ListFreezes()) == []
            return
        (record,) = service.call(ListFreezes())
        # Its history is completed by the next control.
        recorded = "SELECT count(*) FROM freezes WHERE ended_at IS NULL AND id = ?"
        until(lambda: rows(service.run, recorded, record.freeze.id) == [(1,)])
        until(lambda: rows(service.run, "SELECT count(*) FROM events WHERE kind = 'service.frozen'") == [(1,)])
        assert service.stop() == 0


@pytest.mark.parametrize("point", [FaultPoint.THAW_WRITTEN, FaultPoint.FREEZE_REMOVED, FaultPoint.THAW_RECORDED])
def test_control_is_killed_while_it_thaws(tmp_path: Path, point: FaultPoint) -> None:
    with daemon(tmp_path) as service:
        service.start(fault=f"{point}#1=kill@{tmp_path}/struck")
        service.call(ALL)
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        with pytest.raises(Problem):
            service.call(ThawEffects())
        until((tmp_path / "struck").exists)
        until(service.answers)
        if point is FaultPoint.THAW_WRITTEN:
            # It was not thawed: that is settled toward frozen.
            assert len(service.call(ListFreezes())) == 1
            service.call(ThawEffects())
        service.until_state("one", LoopState.COMPLETED)
        until(lambda: rows(service.run, "SELECT count(*) FROM freezes WHERE ended_at IS NULL") == [(0,)])
        assert rows(service.run, "SELECT count(*) FROM events WHERE kind = 'service.thawed'") == [(1,)]
        assert service.stop() == 0


def test_control_is_stopped_and_the_other_command_freezes(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        control = service.pids()["control"]
        os.kill(control, signal.SIGSTOP)
        try:
            done = service.run.run("freeze", "--all", "--reason", "control hangs")
            assert (done.returncode, done.stderr) == (0, "")
            (freeze,) = FreezeFiles(service.run.database).in_force()
        finally:
            os.kill(control, signal.SIGCONT)
        until(service.answers)
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        until(lambda: rows(service.run, "SELECT id FROM freezes WHERE ended_at IS NULL") == [(freeze.id,)])
        done = service.run.run("thaw", freeze.id)
        assert (done.returncode, done.stderr) == (0, "")
        service.until_state("one", LoopState.COMPLETED)
        assert service.stop() == 0


def test_it_ends_at_its_time_also_while_the_service_is_down(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        done = service.run.run("freeze", "--all", "--reason", "soon over", "--until", "+3s")
        assert done.returncode == 0, done.stderr
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"), seconds=3)
        assert service.stop() == 0
        service.start()
        assert service.until_state("one", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        until(lambda: rows(service.run, "SELECT ended_by FROM freezes") == [("",)])
        assert service.stop() == 0


def test_a_damaged_file_holds_everything_and_health_reports_it(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        made = service.call(ALL)
        file = tmp_path / "loops.db.freezes" / f"{made.freeze.id}.freeze"
        kept = file.read_bytes()
        file.write_bytes(b"{")
        (file.parent / "other.freeze").write_bytes(b"")
        service.submit("one", ONE.format(base=tmp_path))
        until(lambda: held(service, "one"))
        until(lambda: any("cannot be read" in problem for problem in service.call(GetHealth()).problems))
        file.write_bytes(kept)
        (file.parent / "other.freeze").unlink()
        until(service.answers)
        service.call(ThawEffects())
        service.until_state("one", LoopState.COMPLETED)
        assert service.stop() == 0


def test_a_file_that_is_gone_without_a_record_is_in_force_again(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        made = service.call(ALL)
        (tmp_path / "loops.db.freezes" / f"{made.freeze.id}.freeze").unlink()
        until(lambda: [one.freeze.id for one in service.call(ListFreezes())] == [made.freeze.id])
        assert service.stop() == 0
