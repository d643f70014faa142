"""What each verb does to a loop in each state, with and without a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import tables
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS, LoopEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    loops as loop_rows,
    processes as process_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.protocol.loops import verbs
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Desired,
    IterationState,
    Loop,
    LoopSpec,
    LoopState,
    Outcome,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import Deleted
from ftl2_enterprise.store.events import list_events
from tests.support.data.database import acting_loop, ask, one_of_each, spec, started_loop
from tests.support.data.facts import LOOP_FACTS, sample

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

WRITES = handlers.WRITES
L = LoopState


def do(db: Store, request: Request[Any], actor: str = "eva") -> Any:
    with db.write() as tx:
        tx.actor = actor
        return WRITES[type(request)].call(request).execute(tx)


def loop_in(tx: Tx, state: LoopState, *, held: bool = False) -> Loop:
    """A managed loop in that state; `held` by this very process, which lives."""
    if state is L.PENDING:
        loop = loop_rows.create_loop(tx, spec())
        generation = 0
    else:
        loop, generation = started_loop(tx)
        moves: dict[LoopState, tuple[LoopEvent, dict[str, Any]]] = {
            L.WAITING: (LoopEvent.ASKED, {}),
            L.RESTING: (LoopEvent.RESTED, {"next_run_at": tx.now + 60_000_000}),
            L.PAUSED: (LoopEvent.PAUSED, {}),
            L.BLOCKED: (LoopEvent.BLOCKED, {"outcome": Outcome.BLOCKED, "reason": "no"}),
            L.COMPLETED: (LoopEvent.COMPLETED, {"outcome": Outcome.CONVERGED}),
            L.FAILED: (LoopEvent.FAILED, {"outcome": Outcome.FAILED, "reason": "no"}),
            L.CANCELLED: (LoopEvent.CANCELLED, {"outcome": Outcome.CANCELLED}),
        }
        if state is not L.RUNNING:
            event, values = moves[state]
            loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[event]), **values)
    loop_rows.change_loop(tx, loop.id, managed=True, owner=lease.current() if held else None)
    return loop_rows.get_loop(tx, loop.id)


REFUSED = None
TABLE: dict[type[Request[Any]], dict[LoopState, tuple[LoopState, Desired] | None]] = {
    verbs.StartLoop: {
        **{state: (state, Desired.RUN) for state in (L.PENDING, L.RUNNING, L.WAITING, L.RESTING, L.PAUSED)},
        **dict.fromkeys((L.BLOCKED, L.FAILED), (L.PENDING, Desired.RUN)),
        **dict.fromkeys((L.COMPLETED, L.CANCELLED), REFUSED),
    },
    verbs.ResumeLoop: {
        **{state: (state, Desired.RUN) for state in (L.PENDING, L.RUNNING, L.WAITING, L.RESTING, L.PAUSED)},
        **dict.fromkeys((L.BLOCKED, L.FAILED, L.COMPLETED, L.CANCELLED), REFUSED),
    },
    verbs.RetryLoop: {
        **dict.fromkeys((L.BLOCKED, L.FAILED), (L.PENDING, Desired.RUN)),
        **dict.fromkeys(set(L) - {L.BLOCKED, L.FAILED}, REFUSED),
    },
    verbs.PauseLoop: {
        **dict.fromkeys((L.PENDING, L.RUNNING, L.WAITING, L.RESTING, L.PAUSED), (L.PAUSED, Desired.PAUSE)),
        **dict.fromkeys((L.BLOCKED, L.FAILED, L.COMPLETED, L.CANCELLED), REFUSED),
    },
    verbs.StopLoop: {
        **dict.fromkeys((L.PENDING, L.RUNNING, L.WAITING, L.RESTING, L.PAUSED), (L.PAUSED, Desired.STOP)),
        **dict.fromkeys((L.BLOCKED, L.FAILED, L.COMPLETED, L.CANCELLED), REFUSED),
    },
    verbs.CancelLoop: {
        **dict.fromkeys(set(L) - {L.FAILED, L.COMPLETED}, (L.CANCELLED, Desired.CANCEL)),
        L.CANCELLED: (L.CANCELLED, Desired.RUN),
        **dict.fromkeys((L.FAILED, L.COMPLETED), REFUSED),
    },
    verbs.RunLoopNow: {
        **{state: (state, Desired.RUN) for state in (L.PENDING, L.RUNNING, L.RESTING)},
        **dict.fromkeys((L.WAITING, L.PAUSED, L.BLOCKED, L.FAILED, L.COMPLETED, L.CANCELLED), REFUSED),
    },
}
# In a fixed order: every worker of the test runner has to see the same one.
CASES = [(verb, state, states[state]) for verb, states in TABLE.items() for state in LoopState]


def test_the_table_of_transitions_is_complete() -> None:
    assert all(set(states) == set(LoopState) for states in TABLE.values())


@pytest.mark.parametrize(("verb", "state", "expected"), CASES)
def test_without_a_process_a_request_takes_effect_at_once(
    db: Store, verb: type[Request[Any]], state: LoopState, expected: tuple[LoopState, Desired] | None
) -> None:
    with db.write() as tx:
        before = loop_in(tx, state)
    request = verb(loop="web")  # pyright: ignore[reportCallIssue]
    if expected is None:
        with pytest.raises(Problem) as caught:
            do(db, request)
        assert caught.value.code is Code.CONFLICT
        assert "web" in caught.value.message
        ended = "converged" if state is LoopState.COMPLETED else state
        shown = f"it has ended ({ended})" if state in ENDED_LOOPS else f"it is {state}"
        assert shown in caught.value.message
        assert caught.value.hint
        with db.read() as tx:
            assert loop_rows.get_loop(tx, "web") == before
        return
    after = do(db, request)
    assert (after.state, after.desired) == expected
    with db.read() as tx:
        assert loop_rows.get_loop(tx, "web") == after
        facts = [event for event in list_events(tx) if event.actor == "eva"]
    assert bool(facts) == (after != before)
    # A repeated request has the same result as one; only a loop that was made to continue cannot be retried again.
    if verb is not verbs.RetryLoop:
        again = do(db, request)
        assert (again.state, again.desired) == expected


@pytest.mark.parametrize("verb", [verbs.PauseLoop, verbs.StopLoop, verbs.CancelLoop])
@pytest.mark.parametrize("state", [L.PENDING, L.RUNNING, L.WAITING, L.RESTING])
def test_with_a_process_only_the_desired_state_is_written(
    db: Store, verb: type[Request[Any]], state: LoopState
) -> None:
    desired = {verbs.PauseLoop: Desired.PAUSE, verbs.StopLoop: Desired.STOP, verbs.CancelLoop: Desired.CANCEL}[verb]
    with db.write() as tx:
        loop_in(tx, state, held=True)
    after = do(db, verb(loop="web"))  # pyright: ignore[reportCallIssue]
    assert (after.state, after.desired) == (state, desired)
    with db.read() as tx:
        (fact,) = [event for event in list_events(tx) if event.kind == "loop.desired"]
    assert (fact.data, fact.actor) == ({"desired": desired}, "eva")


def test_a_pause_becomes_a_stop_and_a_cancel_stays_one(db: Store) -> None:
    with db.write() as tx:
        loop_in(tx, L.RUNNING, held=True)
    assert do(db, verbs.PauseLoop(loop="web")).desired is Desired.PAUSE
    assert do(db, verbs.StopLoop(loop="web")).desired is Desired.STOP
    assert do(db, verbs.ResumeLoop(loop="web")).desired is Desired.RUN
    assert do(db, verbs.CancelLoop(loop="web")).desired is Desired.CANCEL
    for verb in (verbs.PauseLoop, verbs.StartLoop, verbs.ResumeLoop, verbs.DeleteLoop):
        with pytest.raises(Problem, match="it is being cancelled") as caught:
            do(db, verb(loop="web"))
        assert "ftl2ctl cancel web" not in (caught.value.hint or "")


@pytest.mark.parametrize("request_", [verbs.StopLoop(loop="web"), verbs.CancelLoop(loop="web", now=True)])
def test_an_expedited_cancel_stays_a_cancel(db: Store, request_: Request[Any]) -> None:
    with db.write() as tx:
        loop = loop_in(tx, L.RUNNING, held=True)
    do(db, verbs.CancelLoop(loop="web"))
    with db.read() as tx:
        assert not process_rows.is_expedited(tx, loop.id)
    for _ in range(2):
        found = do(db, request_)
        assert (found.state, found.desired) == (L.RUNNING, Desired.CANCEL)
    with db.read() as tx:
        assert process_rows.is_expedited(tx, loop.id)
        assert [event.kind for event in list_events(tx)].count("loop.hurried") == 1


def test_an_expedited_cancel_without_a_process_takes_effect_at_once(db: Store) -> None:
    with db.write() as tx:
        loop_in(tx, L.RUNNING)
    assert do(db, verbs.CancelLoop(loop="web", now=True)).state is L.CANCELLED


def test_a_cancel_of_a_foreground_run_cannot_be_expedited(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, L.RUNNING, held=True)
        loop_rows.change_loop(tx, loop.id, managed=False)
    with pytest.raises(Problem, match=r"cannot cancel web now: process [0-9]+ runs it in the foreground"):
        do(db, verbs.CancelLoop(loop="web", now=True))


def test_cancelling_closes_what_was_begun(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
        action = action_rows.get_actions_for_iteration(tx, iteration.id)[0]
    assert do(db, verbs.CancelLoop(loop="web")).outcome is Outcome.CANCELLED
    with db.read() as tx:
        assert loop_rows.get_iteration(tx, iteration.id).state is IterationState.ENDED
        assert action_rows.get_action(tx, action.id).state is ActionState.SKIPPED
        assert {prompt.state for prompt in prompt_rows.get_prompts(tx, iteration.loop_id)} == {PromptState.DISMISSED}
        assert loop_rows.get_loop(tx, "web").open_prompts == 0


def test_stopping_a_loop_whose_process_is_gone_marks_its_action_unknown(db: Store) -> None:
    with db.write() as tx:
        loop, generation, action = acting_loop(tx)
        loop_rows.update_loop(tx, loop.id, generation, owner=None)
    do(db, verbs.StopLoop(loop="web"))
    with db.read() as tx:
        assert action_rows.get_action(tx, action).state is ActionState.UNKNOWN


def test_the_name_of_a_loop_that_has_ended_is_free_when_it_is_deleted(db: Store) -> None:
    with db.write() as tx:
        name = loop_in(tx, L.COMPLETED).name
    with pytest.raises(Problem, match="a loop with that name exists") as refused:
        do(db, verbs.SubmitLoop(spec=spec(name)))
    assert (
        refused.value.hint
        == f"`ftl2ctl delete {name}` deletes it, because it has ended; `--name NAME` makes another loop"
    )


def test_submit_creates_a_loop(db: Store) -> None:
    loop = do(db, verbs.SubmitLoop(spec=spec("web"), priority=7))
    assert (loop.state, loop.desired, loop.managed, loop.priority, loop.submitted_by) == (
        L.PENDING, Desired.RUN, True, 7, "eva",
    )  # fmt: skip
    with pytest.raises(Problem, match="a loop with that name exists") as refused:
        do(db, verbs.SubmitLoop(spec=spec("web")))
    assert refused.value.hint == (
        "`ftl2ctl update web -f FILE` changes its desired state; `--name NAME` makes another loop"
    )
    with db.write() as tx, pytest.raises(Problem, match="a loop with that name exists") as refused:
        # In the foreground, where one of the service cannot be resumed.
        loop_rows.create_loop(tx, spec("web"))
    assert refused.value.hint == "choose another name with --name, or see it with `ftl2ctl show web`"
    paused = do(db, verbs.SubmitLoop(spec=spec("later"), paused=True))
    assert (paused.state, paused.desired) == (L.PAUSED, Desired.PAUSE)
    with pytest.raises(Problem, match="cannot name a loop '12'"):
        do(db, verbs.SubmitLoop(spec=spec("12")))


def test_a_missing_name_is_derived_and_numbered_after_loops_that_have_ended(db: Store) -> None:
    requested = verbs.SubmitLoop(spec=LoopSpec(name="", desired_state="Nginx answers on port 80"), paused=True)
    names = []
    for _ in range(3):
        names.append(do(db, requested).name)
        do(db, verbs.CancelLoop(loop=names[-1]))
    assert names == ["nginx-answers-on-port-80", "nginx-answers-on-port-80-2", "nginx-answers-on-port-80-3"]
    from_file = LoopSpec(name="", desired_state="name: x", source="/srv/site.d/Web Tier.yaml", dry_run=True)
    assert do(db, verbs.SubmitLoop(spec=from_file)).name == "web-tier-dry-run"
    assert do(db, verbs.SubmitLoop(spec=from_file)).name == "web-tier-dry-run-2"


def test_a_second_loop_of_the_same_derived_name_is_refused(db: Store) -> None:
    requested = verbs.SubmitLoop(spec=LoopSpec(name="", desired_state="steps: []", source="/srv/my web/web.yaml"))
    first = do(db, requested)
    refusal = 'cannot submit the loop "web": a loop with that name exists'
    with pytest.raises(Problem, match=refusal) as refused:
        do(db, requested)
    assert refused.value.code is Code.CONFLICT
    assert refused.value.hint == (
        "`ftl2ctl update web -f '/srv/my web/web.yaml'` changes its desired state; `--name NAME` makes another loop"
    )
    do(db, verbs.CancelLoop(loop=first.name))
    assert do(db, requested).name == "web-2"
    with pytest.raises(Problem, match='cannot submit the loop "web": the loop "web-2" has not ended') as refused:
        do(db, requested)
    with db.write() as tx:
        loop_rows.change_loop(tx, loop_rows.get_loop(tx, "web-2").id, managed=False)
    with pytest.raises(Problem) as refused:
        do(db, requested)
    assert refused.value.hint == "`ftl2ctl start web-2` lets the service run it; `--name NAME` makes another loop"


def test_a_loop_of_a_foreground_process_is_refused(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, L.RUNNING, held=True)
        loop_rows.change_loop(tx, loop.id, managed=False)
    for verb in (verbs.StartLoop, verbs.ResumeLoop):
        with pytest.raises(Problem, match="runs it in the foreground"):
            do(db, verb(loop="web"))
    with db.write() as tx:
        loop_rows.change_loop(tx, loop.id, owner=None)
    assert do(db, verbs.StartLoop(loop="web")).managed is True


def test_starting_again_resets_the_crash_count(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, L.FAILED)
        loop_rows.change_loop(tx, loop.id, crashes=3, crashes_since=5, restart_at=9)
    after = do(db, verbs.RetryLoop(loop="web"))
    assert (after.crashes, after.crashes_since, after.restart_at, after.outcome, after.reason, after.ended_at) == (
        0, None, None, None, None, None,
    )  # fmt: skip


def test_run_now_makes_a_resting_loop_due(db: Store) -> None:
    with db.write() as tx:
        before = loop_in(tx, L.RESTING)
    after = do(db, verbs.RunLoopNow(loop="web"))
    assert before.next_run_at is not None
    assert after.next_run_at is not None
    assert after.next_run_at < before.next_run_at
    with db.read() as tx:
        assert "loop.due" in [event.kind for event in list_events(tx)]


def test_deleting_removes_every_row_and_keeps_the_facts(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
        other, _ = started_loop(tx, "other")
        kept = loop_rows.insert_iteration(tx, other.id, 1)
        ask(tx, kept, "kept")
    with pytest.raises(Problem, match="cannot delete web: it is running"):
        do(db, verbs.DeleteLoop(loop="web"))
    do(db, verbs.CancelLoop(loop="web"))
    with db.read() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 2
    assert do(db, verbs.DeleteLoop(loop="web")) == Deleted(id=iteration.loop_id, name="web")
    with db.read() as tx:
        for table in tables.loops.metadata.tables.values():
            if "loop_id" in table.c and table.name != "events":
                of = select(func.count()).select_from(table).where(table.c.loop_id == iteration.loop_id)
                assert tx.connection.execute(of).scalar() == 0, table.name
        assert [loop.name for loop in loop_rows.list_loops(tx, finished=True)] == ["other"]
        assert len(prompt_rows.get_prompts(tx, other.id)) == 1
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 0
        kinds = [event.kind for event in list_events(tx, subject=loop_subject(iteration.loop_id))]
    assert kinds[-1] == "loop.deleted"
    assert "loop.started" in kinds


def test_a_text_that_another_loop_refers_to_is_kept(db: Store) -> None:
    with db.write() as tx:
        one_of_each(tx)
        tx.connection.execute(text("UPDATE loops SET name = 'first'"))
        tx.connection.execute(text("DELETE FROM disabled_rules"))
        tx.connection.execute(text("DELETE FROM handovers"))
        one_of_each(tx)
    for verb in (verbs.CancelLoop, verbs.DeleteLoop):
        do(db, verb(loop="first"))
    with db.read() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 2


def test_delete_and_cancel_need_the_exact_name(db: Store) -> None:
    do(db, verbs.SubmitLoop(spec=spec("web-prod")))
    for request in (verbs.CancelLoop(loop="web"), verbs.DeleteLoop(loop="web")):
        with pytest.raises(Problem, match='cannot find the loop "web": a prefix is not accepted here') as caught:
            do(db, request)
        assert caught.value.hint == 'did you mean "web-prod"?'
    assert do(db, verbs.PauseLoop(loop="web")).name == "web-prod"
    loop = do(db, verbs.CancelLoop(loop="web-prod"))
    assert loop.state is LoopState.CANCELLED
    assert do(db, verbs.DeleteLoop(loop=str(loop.id))).name == "web-prod"


def test_a_loop_whose_process_has_not_ended_is_not_deleted(db: Store) -> None:
    with db.write() as tx:
        loop_in(tx, L.COMPLETED, held=True)
    with pytest.raises(Problem, match="its process has not ended yet"):
        do(db, verbs.DeleteLoop(loop="web"))


@pytest.mark.parametrize("verb", [*TABLE, verbs.DeleteLoop])
def test_an_unknown_loop_is_not_found(db: Store, verb: type[Request[Any]]) -> None:
    with pytest.raises(Problem, match="cannot find the loop") as caught:
        do(db, verb(loop="wep"))  # pyright: ignore[reportCallIssue]
    assert caught.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("verb", "word"), [(verbs.PauseLoop, "paused"), (verbs.StopLoop, "stopped"), (verbs.CancelLoop, "cancelled")]
)
def test_the_reason_names_who_requested_it(db: Store, verb: Any, word: str) -> None:
    with db.write() as tx:
        loop_in(tx, L.RESTING)
    assert do(db, verb(loop="web"), actor="eva (uid 1000, pid 8)").reason == f"{word} by eva"
