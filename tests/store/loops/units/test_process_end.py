"""What is written when the process of a loop has ended, or stops at a safe point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.children import Child, Ending
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.loops.lifecycle import LoopEvent
from ftl2_enterprise.loops.manager import LoopManager
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.loops.units import claim as claim_units, desired_state as desired_units, process_end as end_units
from ftl2_enterprise.protocol.loops.facts import LoopAsked
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    Desired,
    IterationOutcome,
    LoopState,
    Mode,
    Outcome,
    PromptState,
)
from ftl2_enterprise.store.events import list_events
from tests.support.data.database import acting_loop, ask, spec, started_loop
from tests.support.data.facts import LOOP_FACTS, sample
from tests.support.loops.plans import keys

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

L = LoopState
SETTINGS = SupervisorSettings(restart_limit=2, restart_delay=1.0, healthy_after=10.0)
MANAGER = LoopManager(lambda: SETTINGS, chance=lambda: 0.5)
CHILD = Child(key="loop:1", pid=7, started_at=0)


def running(tx: Tx, **values: Any) -> Loop:
    """A managed loop in the middle of an action, whose process is gone."""
    loop, generation, _ = acting_loop(tx)
    loop_rows.update_loop(tx, loop.id, generation, owner="gone:1:1")
    loop_rows.change_loop(tx, loop.id, managed=True, **values)
    return loop_rows.get_loop(tx, loop.id)


def end(db: Store, why: Why = Why.KILLED, *, child: Child = CHILD, **values: Any) -> Any:
    given = {"signal": 9, "ran": 1.0, **values} if why is not Why.EXITED else {"ran": 1.0, **values}
    call = MANAGER.ended(child, Ending(key=child.key, pid=7, why=why, **given))
    if call is None:
        return None
    with db.write() as tx:
        return call.unit.function(tx, **call.unit.decode(call.encode()))


def kinds(db: Store) -> list[str]:
    with db.read() as tx:
        return [event.kind for event in list_events(tx)]


def test_a_crash_is_counted_and_the_claim_is_gone(db: Store) -> None:
    with db.write() as tx:
        before = running(tx)
    after = end(db)
    assert (after.state, after.crashes, after.restart_at, after.owner) == (L.RUNNING, 1, None, None)
    assert after.generation == before.generation + 1
    with db.write() as tx, pytest.raises(Problem, match="another process has claimed it"):
        claim_units.fence(tx, before.id, before.generation)
    second = end(db)
    assert second.crashes == 2
    assert second.restart_at - second.updated_at == 1_000_000
    with db.read() as tx:
        facts = [event for event in list_events(tx) if event.kind == "loop.crashed"]
    assert [fact.data["crashes"] for fact in facts] == [1, 2]
    assert facts[0].data["told"] == "its process was killed by SIGKILL"


def test_an_end_that_is_reported_again_is_counted_once(db: Store) -> None:
    with db.write() as tx:
        running(tx)
    for _ in range(2):
        assert end(db, started_at=5).crashes == 1
    assert kinds(db).count("loop.crashed") == 1
    # Pids are given again, but not at the same time.
    assert end(db, started_at=6).crashes == 2
    assert kinds(db).count("loop.crashed") == 2


def test_too_many_crashes_fail_the_loop(db: Store) -> None:
    with db.write() as tx:
        running(tx)
    *_, failed = [end(db, Why.HUNG) for _ in range(3)]
    assert (failed.state, failed.outcome, failed.desired) == (L.FAILED, Outcome.FAILED, Desired.RUN)
    assert failed.reason.endswith("more than 2; last: its process sent no heartbeat and was killed")
    with db.read() as tx:
        assert action_rows.get_action(tx, 1).state is ActionState.UNKNOWN
        assert loop_rows.get_iteration(tx, 1).outcome is IterationOutcome.FAILED
    # Whatever is reported of it later, it has ended.
    assert end(db).state is L.FAILED


@pytest.mark.parametrize(
    ("desired", "state"), [(Desired.PAUSE, L.PAUSED), (Desired.STOP, L.PAUSED), (Desired.CANCEL, L.CANCELLED)]
)
@pytest.mark.parametrize("why", [Why.EXITED, Why.KILLED, Why.LATE])
def test_a_request_takes_effect_when_the_process_ended_before_applying_it(
    db: Store, desired: Desired, state: LoopState, why: Why
) -> None:
    with db.write() as tx:
        running(tx, desired=desired)
    given: dict[str, Any] = {"status": 1} if why is Why.EXITED else {}
    after = end(db, why, **given)
    assert (after.state, after.desired, after.crashes) == (state, desired, 0)
    with db.read() as tx:
        assert action_rows.get_action(tx, 1).state is ActionState.UNKNOWN


@pytest.mark.parametrize("state", [L.COMPLETED, L.BLOCKED])
def test_a_process_that_dies_after_the_end_changes_nothing(db: Store, state: LoopState) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        event = {L.COMPLETED: LoopEvent.COMPLETED, L.BLOCKED: LoopEvent.BLOCKED}[state]
        loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[event]), outcome="blocked")
    after = end(db)
    assert (after.state, after.crashes) == (state, 0)
    assert "loop.crashed" not in kinds(db)


def test_it_waits_for_the_database_and_for_another_process(db: Store) -> None:
    with db.write() as tx:
        running(tx)
    for status, wait in ((69, 2_000_000), (75, 5_000_000)):
        after = end(db, Why.EXITED, status=status)
        assert (after.crashes, after.restart_at - after.updated_at) == (0, wait)
    assert "loop.crashed" not in kinds(db)


def test_a_claim_of_another_process_is_kept(db: Store) -> None:
    with db.write() as tx:
        running(tx, owner=lease.current())
        before = loop_rows.get_loop(tx, 1)
    assert end(db, Why.EXITED, status=75) is None
    with db.read() as tx:
        after = loop_rows.get_loop(tx, 1)
    assert (after.generation, after.owner) == (before.generation, lease.current())
    # It is tried again, but not at once.
    assert after.restart_at is not None


def test_a_process_that_was_asked_to_end_has_not_crashed(db: Store) -> None:
    with db.write() as tx:
        running(tx)
    stopping = Child(key="loop:1", pid=7, started_at=0, stopping=True)
    assert end(db, child=stopping, signal=15).crashes == 0
    assert end(db, child=stopping, signal=9).crashes == 1


def test_the_end_of_an_unknown_process_changes_nothing(db: Store) -> None:
    assert end(db, Why.NOT_STARTED) is None
    assert end(db, child=Child(key="loop:99", pid=7, started_at=0)) is None
    assert (
        MANAGER.ended(Child(key="loop:x", pid=1, started_at=0), Ending(key="loop:x", pid=1, why=Why.KILLED)) is None
    )


# --- at a safe point -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("state", [L.RUNNING, L.RESTING, L.WAITING])
def test_a_stop_without_a_request(db: Store, state: LoopState, served: bool) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        if state is not L.RUNNING:
            event = {L.RESTING: LoopEvent.RESTED, L.WAITING: LoopEvent.ASKED}[state]
            loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[event]), next_run_at=5)
        after = desired_units.apply_desired(tx, loop.id, generation, reason="stopped", wakes_automatically=served)
    stops = state is L.RUNNING or (state is L.RESTING and not served)
    assert (after.state, after.desired) == (L.PAUSED if stops else state, Desired.RUN)
    assert (after.reason == "stopped") == stops


def test_a_single_loop_that_cannot_be_read_has_failed(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        generation = loop_rows.claim_loop(tx, loop.id, "me")
        failed = end_units.refuse(tx, loop.id, generation, reason="cannot read it", delay=60.0)
    assert (failed.state, failed.outcome, failed.reason) == (L.FAILED, Outcome.FAILED, "cannot read it")


def test_a_continuous_loop_that_cannot_be_read_tries_again_later(db: Store) -> None:
    with db.write() as tx:
        loop, generation, action = acting_loop(tx)
        loop_rows.change_loop(tx, loop.id, mode=Mode.CONTINUOUS, condition=Condition.IN_SYNC)
        rested = end_units.refuse(tx, loop.id, generation, reason="cannot read it", delay=60.0)
        assert (rested.state, rested.outcome, rested.reason) == (L.RESTING, None, "cannot read it")
        assert rested.next_run_at == tx.now + 60_000_000
        # What was in flight is as unknown as after a crash, and so is the condition of the hosts.
        assert action_rows.get_action(tx, action).state is ActionState.UNKNOWN
        assert loop_rows.open_iteration(tx, loop.id) is None
        assert (rested.condition, rested.failures) == (Condition.UNKNOWN, 1)
        again = end_units.refuse(tx, loop.id, generation, reason="cannot read it", delay=60.0)
    assert (again.state, again.failures, again.run) == (L.RESTING, 2, rested.run + 1)


def test_a_question_stays_open_while_its_loop_cannot_be_read(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        prompt = ask(tx, loop_rows.insert_iteration(tx, loop.id, 1))
        loop_rows.move_loop(tx, loop.id, generation, LoopAsked(prompt_id=prompt))
        loop_rows.change_loop(tx, loop.id, mode=Mode.CONTINUOUS)
        waiting = end_units.refuse(tx, loop.id, generation, reason="cannot read it", delay=60.0)
        assert (waiting.state, waiting.restart_at) == (L.WAITING, tx.now + 60_000_000)
        assert prompt_rows.get_prompt(tx, prompt).state is PromptState.OPEN


def test_a_foreground_run_takes_only_loops_that_are_not_managed(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.set_desired(tx, loop.id, Desired.PAUSE)
        assert desired_units.take(tx, loop.id, generation).desired is Desired.RUN
        loop_rows.change_loop(tx, loop.id, managed=True)
        with pytest.raises(Problem, match="the service runs it"):
            desired_units.take(tx, loop.id, generation)


# --- the manager with a database -----------------------------------------------------------------------------------


def test_the_manager_reads_what_is_managed_and_open(db: Store) -> None:
    manager = LoopManager(lambda: SETTINGS)
    with db.write() as tx:
        for name in ("a", "b", "foreign", "done"):
            loop = loop_rows.create_loop(tx, spec(name))
            loop_rows.change_loop(tx, loop.id, managed=name != "foreign")
        loop = loop_rows.get_loop(tx, "done")
        desired_units.cancel(tx, loop)
    with db.read() as tx:
        plan = manager.ensure(tx, {}, tx.now, booted=False)
        assert keys(plan) == ("loop:1", "loop:2")
        assert plan.counts == {"pending": 2}
        # Only the first pass after a boot is splayed, and only what was due then.
        booted = LoopManager(lambda: SETTINGS)
        first = booted.ensure(tx, {}, tx.now, booted=True)
        assert (keys(first), first.recheck_after) == (("loop:1",), 0.01)
        assert keys(booted.ensure(tx, {}, tx.now + 10_000, booted=True)) == ("loop:1", "loop:2")
