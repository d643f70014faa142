"""A freeze that is in force while the program of the service, or its database, is replaced."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import FreezeEffects, ListFreezes, ThawEffects, Upgrade
from tests.support.loops.models import fake_claude
from tests.support.places import REPOSITORY
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.service.effects_oracle import hold_against, manifest
from tests.support.service.gated_loop import begin, hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

OLDER = REPOSITORY / "tests" / "compat" / "data" / "loops-0003.db.gz"
MODEL = """
with open({base!r} + "/called", "a") as file:
    file.write("called\\n")
reply(structured_output={{"converged": True, "reasoning": "it answers"}})
"""
ALL = FreezeEffects(scope=FreezeScope.ALL, reason="incident")


def upgrade(service: Daemon) -> None:
    """Replace the program, and wait until every process of the supervisor but root is another one."""
    before = service.pids()
    service.call(Upgrade())
    names = ("control", "writer", "forkserver")
    until(lambda: all(service.pids().get(name, before[name]) != before[name] for name in names), seconds=60)
    until(service.answers)


@pytest.mark.parametrize("is_frozen", [True, False])
def test_an_upgrade_keeps_the_freeze_and_the_step_that_had_begun(tmp_path: Path, *, is_frozen: bool) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    with daemon(tmp_path) as service:
        service.start()
        begin(service, "web", manifest("web", witness, steps=2, before=hold(tmp_path)), tmp_path)
        made = service.call(ALL) if is_frozen else None
        upgrade(service)
        (tmp_path / "gate").touch()
        if made is not None:
            until(lambda: service.loop("web").frozen_by == made.freeze.id)
            # The first step had begun, and the second one does not begin.
            assert len(witness.read_text().splitlines()) == 1
            service.submit("late", manifest("late", tmp_path / "late", steps=1))
            until(lambda: service.loop("late").frozen_by == made.freeze.id)
            assert not (tmp_path / "late").exists()
            assert [one.freeze.id for one in service.call(ListFreezes())] == [made.freeze.id]
            service.call(ThawEffects())
        assert service.until_state("web", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        hold_against(service, "web", witness, steps=2, unknown=0)
        assert service.stop() == 0


@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_freeze_of_an_older_database_holds_while_and_after_it_is_migrated(
    tmp_path: Path, *, is_frozen: bool
) -> None:
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    called = tmp_path / "called"
    with daemon(tmp_path, more=f'[model]\nprovider = "claude"\ncommand = "{program}"\n') as service:
        service.run.database.write_bytes(gzip.decompress(OLDER.read_bytes()))
        with closing(sqlite3.connect(service.run.database)) as connection, connection:
            connection.execute("UPDATE loops SET spec = replace(spec, '\"auto\"', '\"claude\"')")
        if is_frozen:
            ordered = service.run.run("freeze", "--all", "--reason", "incident")
            assert (ordered.returncode, ordered.stderr) == (0, "")
        service.start()
        if is_frozen:
            until(lambda: service.loop("pending").frozen_by is not None)
            assert not called.exists()
            # The history is written once the table exists.
            until(lambda: rows(service.run, "SELECT reason, ended_at FROM freezes") == [("incident", None)])
            service.call(ThawEffects())
        until(called.exists)
        assert service.stop() == 0
