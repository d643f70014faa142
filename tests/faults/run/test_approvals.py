"""kill -9 of a `run` around an approval, then `--resume`: an approval is never lost and never used twice."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from tests.support.loops.manifests import APPROVED
from tests.support.processes.command import Command

POINTS = [
    f"{point}#{number}"
    for point, numbers in {
        F.APPROVAL_ASKED: [1],
        F.APPROVAL_GIVEN: [1],
        F.PROMPT_ANSWERED: [1],
        F.APPROVAL_CHECKED: [1],
        F.APPROVAL_USED: [1],
        F.ACTION_STARTED: [1, 2],
        F.ACTION_DONE: [1, 2],
        F.ACTION_RECORDED: [1, 2],
        FaultPoint.BEFORE_COMMIT: [4, 5, 6, 7, 8, 9],
        FaultPoint.AFTER_COMMIT: [4, 5, 6, 7, 8, 9],
    }.items()
    for number in numbers
]


def rows(command: Command, query: str):
    with closing(sqlite3.connect(command.database)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("fault", POINTS)
def test_an_approval_survives_a_kill_and_is_used_once(tmp_path, fault):
    (tmp_path / "manifest.yaml").write_text(APPROVED.format(base=tmp_path))
    command = Command(tmp_path)
    died = command.run("run", "manifest.yaml", "--name", "approved", fault=f"{fault}=kill", typed="approve\n")
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    states = [state for (state,) in rows(command, "select state from approvals order by id")]
    given = rows(command, "select approval_id, uid from approval_votes")
    # Nothing acknowledged before the kill is lost.
    assert len(given) == sum(state in {"approved", "used"} for state in states)
    again = command.run("run", "--resume", "approved", typed="approve\n" * 3)
    assert again.returncode == 0, again.stdout + again.stderr
    effects = (tmp_path / "effects").read_text().splitlines()
    unknown = rows(command, "select id from actions where state = 'unknown'")
    assert sorted(set(effects)) == ["one", "two"]
    # Only an action that was in flight can have happened without being recorded.
    assert len(effects) <= 2 + len(unknown)
    every_use = rows(command, "select count(*), count(distinct used_by) from approvals where state = 'used'")
    assert every_use[0][0] == every_use[0][1] >= 1
    begun = rows(
        command,
        "select count(*) from actions a where a.started_at is not null and not exists "
        "(select 1 from approvals p where p.used_by = a.iteration_id)",
    )
    assert begun == [(0,)]
