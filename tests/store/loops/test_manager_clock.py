"""What the manager of loops makes of rows that were written before the clock went back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.loops.manager import LoopManager
from ftl2_enterprise.loops.restart_policy import ProcessEnd, RestartLimits
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import process_end as end_units, runs as run_units
from ftl2_enterprise.protocol.loops.facts import LoopRested
from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.store.events import list_events
from tests.support.data.database import spec, started_loop
from tests.support.data.facts import sample
from tests.support.loops.plans import keys

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

SECOND = 1_000_000
HOUR = 3600 * SECOND
RESTARTS = RestartLimits(delay=1.0, cap=1.0, healthy_after=1.0, limit=2, period=60.0)


def rests(tx: Tx, seconds: int) -> int:
    """A managed loop that rests for so long; when that was written."""
    loop, generation = started_loop(tx)
    at = loop_rows.get_loop(tx, loop.id).updated_at
    loop_rows.change_loop(tx, loop.id, managed=True)
    loop_rows.move_loop(tx, loop.id, generation, sample(LoopRested), next_run_at=at + seconds * SECOND)
    return loop_rows.get_loop(tx, loop.id).updated_at


def test_a_rest_begins_again_when_the_jump_is_noticed(db: Store) -> None:
    manager = LoopManager(SupervisorSettings)
    with db.write() as tx:
        written = rests(tx, 60)
    with db.read() as tx:
        due = loop_rows.get_loop(tx, 1).next_run_at
        assert due is not None
        left = (due - written) / SECOND
        back = written - HOUR
        assert manager.ensure(tx, {}, back, booted=False).recheck_after == left
        # It does not begin again with every pass.
        assert manager.ensure(tx, {}, back + 20 * SECOND, booted=False).recheck_after == left - 20
        assert keys(manager.ensure(tx, {}, back + round(left * SECOND), booted=False)) == ("loop:1",)
        # Back once more, and then right again: each time it is due when it was meant to be.
        assert manager.ensure(tx, {}, back - HOUR, booted=False).recheck_after == left
        assert manager.ensure(tx, {}, due - 5 * SECOND, booted=False).recheck_after == 5.0
        assert keys(manager.ensure(tx, {}, due, booted=False)) == ("loop:1",)


def test_an_end_that_is_recorded_after_the_jump_does_not_hide_it(db: Store) -> None:
    with db.write() as tx:
        written = rests(tx, 60)
    with db.read() as tx:
        before = loop_rows.get_loop(tx, 1)
        assert before.next_run_at is not None
        left = (before.next_run_at - written) / SECOND
    later = end_units.record_end.call(
        1, ProcessEnd(why=Why.EXITED, status=0, ran=1.0), pid=7, started_at=None, restarts=RESTARTS, random=0.5
    )
    # The writer reads its clock for each transaction.
    with db.write() as tx:
        tx.now = written - HOUR
        later.unit.function(tx, **later.unit.decode(later.encode()))
    with db.read() as tx:
        assert LoopManager(SupervisorSettings).ensure(tx, {}, written - HOUR, booted=False).recheck_after == left


def test_a_rest_counts_from_the_clock_with_which_it_is_written(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        tx.now -= HOUR
        fact = LoopRested(
            outcome=Outcome.CONVERGED, reason="", next_run_at=tx.now + HOUR + 60, delay=60.0, failures=0
        )
        run_units.end_run(tx, loop.id, generation, fact, values={"outcome": Outcome.CONVERGED, "failures": 0})
        assert loop_rows.get_loop(tx, loop.id).next_run_at == tx.now + 60 * SECOND
        (rested,) = [event for event in list_events(tx) if event.kind == "loop.rested"]
        assert rested.data["next_run_at"] == tx.now + 60 * SECOND


def test_loops_created_in_what_is_now_the_future_are_started(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        loop_rows.change_loop(tx, loop.id, managed=True)
    with db.read() as tx:
        plan = LoopManager(SupervisorSettings).ensure(tx, {}, loop.created_at - HOUR, booted=False)
        assert keys(plan) == ("loop:1",)


def test_a_delay_before_a_restart_is_not_made_longer(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        at = loop.created_at + 3 * SECOND
        loop_rows.change_loop(tx, loop.id, managed=True, restart_at=at)
        written = loop_rows.get_loop(tx, loop.id).updated_at
    manager = LoopManager(SupervisorSettings)
    with db.read() as tx:
        assert manager.ensure(tx, {}, written - HOUR, booted=False).recheck_after == (at - written) / SECOND
        assert keys(manager.ensure(tx, {}, written - HOUR + at - written, booted=False)) == ("loop:1",)


def test_a_splayed_start_is_not_delayed(db: Store) -> None:
    manager = LoopManager(SupervisorSettings)
    with db.write() as tx:
        for name in ("a", "b"):
            loop = loop_rows.create_loop(tx, spec(name))
            loop_rows.change_loop(tx, loop.id, managed=True)
    with db.read() as tx:
        assert keys(manager.ensure(tx, {}, tx.now, booted=True)) == ("loop:1",)
        assert keys(manager.ensure(tx, {}, tx.now - HOUR, booted=True)) == ("loop:1", "loop:2")
