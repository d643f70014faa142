"""Whatever happens in whatever order, the rows agree with the lifecycle tables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, text

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.state_machine import IllegalMove
from ftl2_enterprise.loops import tables
from ftl2_enterprise.loops.lifecycle import (
    ACTION,
    ITERATION,
    LOOP,
    PROMPT,
    ActionEvent,
    IterationEvent,
    LoopEvent,
    PromptEvent,
)
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.protocol.loops.facts import LoopFailed, LoopStarted, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.store import events
from ftl2_enterprise.store.transition import transition
from tests.support.data.database import Ticks, ask, begun_iteration, end_iteration, propose, spec, started_loop
from tests.support.data.facts import LOOP_FACTS, sample
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx


def loop_values(event: LoopEvent) -> dict[str, Any]:
    match event:
        case LoopEvent.RESTED:
            return {"next_run_at": 1}
        case LoopEvent.COMPLETED | LoopEvent.FAILED | LoopEvent.CANCELLED | LoopEvent.BLOCKED:
            return {"outcome": Outcome.FAILED, "reason": "it was tried"}
        case _:
            return {}


def move(tx: Tx, kind: str, row: int, event: Any) -> Any:
    match kind:
        case "loop":
            generation = loop_rows.get_loop(tx, row).generation
            return loop_rows.move_loop(tx, row, generation, sample(LOOP_FACTS[event]), **loop_values(event))
        case "iteration":
            outcome = {"outcome": "acted"} if event is IterationEvent.ENDED else {}
            return loop_rows.move_iteration(tx, row, event, **outcome)
        case "action":
            ran = event in (ActionEvent.SUCCEEDED, ActionEvent.FAILED)
            return action_rows.move_action(tx, row, event, changed=True if ran else None)
        case _:
            prompt = {
                PromptEvent.ANSWERED: lambda: prompt_rows.answer_prompt(tx, row, "80", "eva"),
                PromptEvent.EXPIRED: lambda: prompt_rows.expire_prompt(tx, row),
                PromptEvent.DISMISSED: lambda: prompt_rows.dismiss_prompt(tx, row),
            }[event]()
            return prompt.state


def new_row(tx: Tx, kind: str, name: str) -> int:
    match kind:
        case "loop":
            return loop_rows.create_loop(tx, spec(name)).id
        case "iteration":
            return begun_iteration(tx, name).id
        case "action":
            return propose(tx, begun_iteration(tx, name))
        case _:
            return ask(tx, begun_iteration(tx, name))


MACHINES = {
    "loop": (LOOP, LoopEvent, tables.loops),
    "iteration": (ITERATION, IterationEvent, tables.iterations),
    "action": (ACTION, ActionEvent, tables.actions),
    "prompt": (PROMPT, PromptEvent, tables.prompts),
}


@pytest.mark.parametrize("kind", MACHINES)
def test_any_sequence_of_events_keeps_the_invariants(db: Store, kind: str) -> None:
    machine, words, table = MACHINES[kind]
    serial = iter(range(10_000))

    @settings(max_examples=40)
    @given(st.lists(st.sampled_from(list(words)), max_size=12))
    def follow(sequence: list[Any]) -> None:
        with db.write() as tx:
            row = new_row(tx, kind, f"{kind}-{next(serial)}")
        state: Any = machine.initial
        for event in sequence:
            try:
                expected = machine.after(state, event)
            except IllegalMove:
                expected = None
            with db.read() as tx:
                before = tx.connection.execute(select(table).where(table.c.id == row)).one()
            try:
                with db.write() as tx:
                    got = move(tx, kind, row, event)
            except Problem as problem:
                assert problem.code is Code.CONFLICT  # noqa: PT017
                assert problem.message.startswith("cannot ")  # noqa: PT017
                got = None
            assert got == expected
            with db.read() as tx:
                after = tx.connection.execute(select(table).where(table.c.id == row)).one()
            if expected is None:
                assert after == before
            else:
                state = expected
            assert after.state == state

    follow()


@pytest.mark.parametrize(("event", "expected"), [(e, s) for e in LoopEvent for s in LOOP.sources(e).items()])
def test_a_move_with_many_outcomes_takes_the_right_one(
    db: Store, event: LoopEvent, expected: tuple[Any, Any]
) -> None:
    source, target = expected
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        tx.connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        tx.connection.execute(text("UPDATE loops SET state = :state, started_at = 1"), {"state": source.value})
        tx.connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        assert loop_rows.move_loop(tx, loop.id, 0, sample(LOOP_FACTS[event]), **loop_values(event)) is target
        assert loop_rows.get_loop(tx, loop.id).state is target


def test_a_guard_that_fails_is_a_conflict(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
    with pytest.raises(Problem, match="another process has changed it") as caught, db.write() as tx:
        transition(tx, LOOP, tables.loops, loop.id, LoopEvent.PAUSED, where={"run": 7})
    assert caught.value.code is Code.CONFLICT
    with db.write() as tx:
        transition(tx, LOOP, tables.loops, loop.id, LoopEvent.PAUSED, where={"run": 1})


def test_a_missing_row_is_not_found(db: Store) -> None:
    with pytest.raises(Problem) as caught, db.write() as tx:
        transition(tx, PROMPT, tables.prompts, 9, PromptEvent.EXPIRED)
    assert caught.value.code is Code.NOT_FOUND


# --- counters ------------------------------------------------------------------------------------------------------


class Counting(RuleBasedStateMachine):
    """The counters of a loop equal the counted rows, after any work, committed or rolled back."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.db = new_database(Path(self.directory.name) / "x.db", clock=Ticks())
        with self.db.write() as tx:
            self.loop, self.generation = started_loop(tx)
        self.iteration: Any = None
        self.actions: list[int] = []
        self.prompts: list[int] = []

    def teardown(self) -> None:
        self.db.close()
        self.directory.cleanup()

    @precondition(lambda self: self.iteration is None)
    @rule()
    def begin(self) -> None:
        with self.db.write() as tx:
            self.iteration = loop_rows.insert_iteration(tx, self.loop.id, 1)

    @precondition(lambda self: self.iteration is not None)
    @rule()
    def begin_twice(self) -> None:
        # Caught inside the transaction, which continues and commits.
        with self.db.write() as tx, pytest.raises(Problem, match="has not ended"):
            loop_rows.insert_iteration(tx, self.loop.id, 1)

    @precondition(lambda self: self.iteration is not None)
    @rule()
    def end(self) -> None:
        with self.db.write() as tx:
            end_iteration(tx, self.iteration.id)
        self.iteration = None

    @precondition(lambda self: self.iteration is not None)
    @rule()
    def propose(self) -> None:
        with self.db.write() as tx:
            self.actions.append(propose(tx, self.iteration))

    @precondition(lambda self: self.actions)
    @rule(data=st.data(), event=st.sampled_from(list(ActionEvent)), changed=st.booleans())
    def act(self, data: st.DataObject, event: ActionEvent, changed: bool) -> None:
        ran = event in (ActionEvent.SUCCEEDED, ActionEvent.FAILED)
        try:
            with self.db.write() as tx:
                action = data.draw(st.sampled_from(self.actions))
                if event is ActionEvent.FAILED and action_rows.get_action(tx, action).state == "proposed":
                    ran = False
                action_rows.move_action(tx, action, event, changed=changed if ran else None)
        except Problem:
            pass

    @precondition(lambda self: self.iteration is not None)
    @rule(key=st.sampled_from("abc"))
    def ask(self, key: str) -> None:
        with self.db.write() as tx:
            try:
                self.prompts.append(ask(tx, self.iteration, key))
            except Problem as problem:
                assert problem.code is Code.CONFLICT  # noqa: PT017

    @precondition(lambda self: self.prompts)
    @rule(data=st.data(), event=st.sampled_from(list(PromptEvent)))
    def close(self, data: st.DataObject, event: PromptEvent) -> None:
        with self.db.write() as tx:
            try:
                move(tx, "prompt", data.draw(st.sampled_from(self.prompts)), event)
            except Problem as problem:
                assert problem.code is Code.CONFLICT  # noqa: PT017

    @precondition(lambda self: self.iteration is not None)
    @rule()
    def give_up(self) -> None:
        with pytest.raises(ZeroDivisionError), self.db.write() as tx:  # noqa: PT012
            propose(tx, self.iteration)
            ask(tx, self.iteration, "never")
            raise ZeroDivisionError

    @invariant()
    def counted(self) -> None:
        with self.db.read() as tx:
            loop = loop_rows.get_loop(tx, self.loop.id)
            for column, condition in (
                ("iteration_count", "iterations"),
                ("action_count", "actions"),
                ("changed_count", "actions WHERE changed AND state = 'succeeded'"),
                ("failed_count", "actions WHERE state = 'failed'"),
                ("open_prompts", "prompts WHERE state = 'open'"),
            ):
                rows = tx.connection.execute(text(f"SELECT count(*) FROM {condition}")).scalar()
                assert getattr(loop, column) == rows, column


def test_counters_equal_the_counted_rows() -> None:
    run_state_machine_as_test(Counting, settings=settings(max_examples=15, stateful_step_count=25))


# --- what moves set by themselves ----------------------------------------------------------------------------------


def test_a_failed_loop_starts_again_without_its_old_reason(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.move_loop(tx, loop.id, generation, sample(LoopFailed), outcome=Outcome.FAILED, reason="no disk")
        failed = loop_rows.get_loop(tx, loop.id)
    assert (failed.ended_at, failed.outcome, failed.reason) == (tx.now, Outcome.FAILED, "no disk")
    with db.write() as tx:
        loop_rows.move_loop(tx, loop.id, generation, LoopStarted(run=2, resumed=False, max_iterations=9), run=2)
        again = loop_rows.get_loop(tx, loop.id)
    assert (again.ended_at, again.outcome, again.reason, again.run) == (None, None, None, 2)
    assert again.started_at == loop.started_at
    with db.read() as reading:
        facts = events.list_events(reading, subject=loop_subject(loop.id))
    assert [fact.kind for fact in facts] == ["loop.created", "loop.started", "loop.failed", "loop.started"]
    assert facts[-1].data == {"run": 2, "resumed": False, "max_iterations": 9}
