"""What a change of the desired state does to a loop in each state, and to a process that has the earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.loops.engine import prompting
from ftl2_enterprise.loops.restart_policy import ProcessEnd, RestartLimits
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    loops as loop_rows,
    prompts as prompt_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import (
    actions as action_units,
    claim as claim_units,
    desired_state as desired_units,
    process_end as end_units,
    revisions as revision_units,
    runs as run_units,
)
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.facts import LoopCompleted, LoopUpdated
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    Desired,
    IterationOutcome,
    Loop,
    LoopState,
    Mode,
    Outcome,
    PromptState,
)
from ftl2_enterprise.store.events import list_events
from tests.store.loops.handlers.test_loops import loop_in
from tests.support.data.database import acting_loop, ask, begun_iteration, propose, request_approval

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

CHANGED = "the desired state was changed by ada (revision 2)"
LIMITS = RestartLimits(delay=1, cap=60, healthy_after=60, limit=1, period=60)


def update(tx: Tx, loop: Loop, text: str = "nginx answers on 8080") -> Loop:
    spec = msgspec.structs.replace(loop.spec, desired_state=text)
    return revision_units.put_in_force(tx, loop, spec, reason="port")[0]


def held_by_this_process(tx: Tx, loop_id: int) -> Loop:
    loop_rows.change_loop(tx, loop_id, managed=True, owner=lease.current())
    return loop_rows.get_loop(tx, loop_id)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (LoopState.PENDING, LoopState.PENDING),
        (LoopState.RUNNING, LoopState.PAUSED),
        (LoopState.WAITING, LoopState.PAUSED),
        (LoopState.RESTING, LoopState.RESTING),
        (LoopState.PAUSED, LoopState.PAUSED),
        (LoopState.BLOCKED, LoopState.PENDING),
        (LoopState.FAILED, LoopState.PENDING),
    ],
)
def test_without_a_process_it_is_in_force_at_once(db: Store, state: LoopState, after: LoopState) -> None:
    with db.write() as tx:
        loop = loop_in(tx, state)
        loop_rows.change_loop(tx, loop.id, condition=Condition.IN_SYNC, failures=3)
        now = update(tx, loop)
        assert (now.state, now.desired, now.revision, now.taken_revision) == (after, Desired.RUN, 2, 2)
        assert (now.condition, now.failures, now.check) == (Condition.UNKNOWN, 0, None)
        assert now.desired_state == now.spec.desired_state == "nginx answers on 8080"
        if state is LoopState.RESTING:
            assert now.next_run_at == tx.now
        found = revision_rows.get_revisions(tx, loop.id)
        assert [(one.n, one.spec.desired_state, one.reason) for one in found] == [
            (2, "nginx answers on 8080", "port"),
            (1, "nginx answers", None),
        ]


def test_a_paused_loop_stays_paused(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, LoopState.PAUSED)
        loop_rows.set_desired(tx, loop.id, Desired.PAUSE)
        now = update(tx, loop_rows.get_loop(tx, loop.id))
        assert (now.state, now.desired) == (LoopState.PAUSED, Desired.PAUSE)


def test_a_live_process_starts_no_further_action(db: Store) -> None:
    with db.write() as tx:
        tx.actor = "ada (uid 7, pid 8)"
        loop, generation, action = acting_loop(tx)
        iteration = loop_rows.open_iteration(tx, loop.id)
        assert iteration is not None
        later = propose(tx, iteration, n=2)
        now = update(tx, held_by_this_process(tx, loop.id))
        assert (now.state, now.revision, now.taken_revision) == (LoopState.RUNNING, 2, 1)

        assert not action_units.start_actions(tx, iteration, [(later, "file")], of=2)
        assert action_rows.get_action(tx, later).state is ActionState.PROPOSED

        done = action_units.DoneAction(id=action, event=action_units.ActionEvent.SUCCEEDED, changed=True)
        assert action_units.end_action(tx, iteration, done).state is ActionState.SUCCEEDED

        halted = desired_units.apply_desired(tx, loop.id, generation, reason="stopped", wakes_automatically=True)
        assert (halted.state, halted.taken_revision) == (LoopState.PAUSED, 2)
        ended = loop_rows.get_iteration(tx, iteration.id)
        assert (ended.outcome, ended.error) == (IterationOutcome.INTERRUPTED, CHANGED)
        assert action_rows.get_action(tx, later).state is ActionState.SKIPPED
        assert action_rows.get_action(tx, action).state is ActionState.SUCCEEDED


def test_a_run_that_ends_with_the_earlier_one_does_not_end_the_loop(db: Store) -> None:
    with db.write() as tx:
        loop, generation, _ = acting_loop(tx)
        update(tx, held_by_this_process(tx, loop.id))
        fact = LoopCompleted(outcome=Outcome.CONVERGED, reason=None)
        values = {"outcome": Outcome.CONVERGED}
        assert not run_units.end_run(tx, loop.id, generation, fact, values=values)
        assert loop_rows.get_loop(tx, loop.id).state is LoopState.PAUSED


def test_a_process_that_cannot_run_the_earlier_one_does_not_fail_the_loop(db: Store) -> None:
    with db.write() as tx:
        loop, generation, _ = acting_loop(tx)
        update(tx, held_by_this_process(tx, loop.id))
        assert end_units.refuse(tx, loop.id, generation, reason="no", delay=60.0).state is LoopState.PAUSED


@pytest.mark.parametrize("recorded", [True, False])
def test_a_crash_of_the_process_after_it_loses_nothing(db: Store, recorded: bool) -> None:
    with db.write() as tx:
        loop, _, action = acting_loop(tx)
        update(tx, held_by_this_process(tx, loop.id))
        loop_rows.change_loop(tx, loop.id, owner=None)  # it has died
        if recorded:
            end = ProcessEnd(why=Why.EXITED, status=1, ran=1.0)
            end_units.record_end(tx, loop.id, end, pid=7, started_at=tx.now, restarts=LIMITS, random=0.5)
            assert loop_rows.get_loop(tx, loop.id).taken_revision == 2
        claim_units.claim(tx, loop.id, lease.current())
        now = loop_rows.get_loop(tx, loop.id)
        assert (now.state, now.taken_revision) == (LoopState.PAUSED, 2)
        assert loop_rows.open_iteration(tx, loop.id) is None
        assert action_rows.get_action(tx, action).state is ActionState.UNKNOWN


@pytest.mark.parametrize("rejected", [True, False])
def test_answers_about_the_earlier_one_do_not_count(db: Store, rejected: bool) -> None:
    with db.write() as tx:
        tx.actor = "ada (uid 7, pid 8)"
        iteration = begun_iteration(tx)
        prompt = prompt_rows.get_prompt(tx, ask(tx, iteration))
        request = request_approval(tx, iteration, prompt)
        if rejected:
            tx.connection.exec_driver_sql(f"UPDATE approvals SET state = 'rejected', ended_at = {tx.now}")
        loop_rows.change_loop(tx, iteration.loop_id, managed=True, owner=None)
        update(tx, loop_rows.get_loop(tx, iteration.loop_id))
        found = approval_rows.latest(tx, iteration.loop_id)
        assert found is not None
        assert (found.id, found.state) == (request.id, ApprovalState.VOID)
        assert found.reason is not None
        assert found.reason.endswith(CHANGED)
        closed = prompt_rows.get_prompt(tx, prompt.id)
        assert (closed.state, closed.withdrawn) == (PromptState.DISMISSED, CHANGED)


def test_iterations_have_the_revision_that_their_process_took_up(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        assert iteration.revision == 1
        loop_rows.change_loop(tx, iteration.loop_id, managed=True, owner=None)
        update(tx, loop_rows.get_loop(tx, iteration.loop_id))
        claim_units.claim(tx, iteration.loop_id, lease.current())
        assert loop_rows.insert_iteration(tx, iteration.loop_id, 2).revision == 2


@pytest.mark.parametrize("mode", list(Mode))
def test_a_question_that_was_open_is_asked_again(db: Store, mode: Mode) -> None:
    """What was not answered is no answer of the revision that follows: not even its default is."""
    with db.write() as tx:
        iteration = begun_iteration(tx)
        ask(tx, iteration)
        loop = loop_rows.get_loop(tx, iteration.loop_id)
        loop_rows.change_loop(tx, loop.id, owner=None, mode=mode, managed=True)
        update(tx, loop_rows.get_loop(tx, loop.id))
        generation = claim_units.claim(tx, loop.id, lease.current())
        for run in (2, 3):
            run_units.start_run(tx, loop.id, generation, run=run, resumed=False, max_iterations=10)
            loop_rows.insert_iteration(tx, loop.id, run)
            assert prompting.answers(tx, loop_rows.get_loop(tx, loop.id))[0] == []
            iteration = loop_rows.open_iteration(tx, loop.id)
            assert iteration is not None
            run_units.end_iteration(tx, iteration, generation, IterationOutcome.ACTED)


def test_the_reason_of_a_failure_stays_in_the_event(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, LoopState.FAILED)
        loop_rows.change_loop(tx, loop.id, reason="no such host")
        assert update(tx, loop_rows.get_loop(tx, loop.id)).reason is None
        fact = next(fact_of(one) for one in list_events(tx, after=0, limit=100) if one.kind == "loop.updated")
        assert isinstance(fact, LoopUpdated)
        assert (fact.state, fact.state_reason) == (LoopState.FAILED, "no such host")


def test_who_changes_a_loop_is_among_its_makers_and_has_not_submitted_it(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, LoopState.RESTING)
        tx.actor = "ada (uid 7, pid 8)"
        assert update(tx, loop).submitted_by == loop.submitted_by
        assert revision_rows.makers(tx, loop.id) == ["ada (uid 7, pid 8)"]
