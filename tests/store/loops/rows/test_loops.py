"""Queries and writes of loops and iterations: names, claims, pages and the desired state."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.lifecycle import LoopEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    increments as increment_rows,
    loops as loop_rows,
    prompts as prompt_rows,
    rules as rule_rows,
)
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.facts import LoopCompleted, LoopStarted
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    Mode,
    Outcome,
)
from ftl2_enterprise.store import events
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import end_iteration, event_kinds, spec, started_loop
from tests.support.data.facts import LOOP_FACTS, sample

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


# --- finding loops -------------------------------------------------------------------------------------------------


def test_create_loop_stores_the_spec(db: Store) -> None:
    asked = spec("web", mode=Mode.CONTINUOUS, observers=[ObservationSpec(name="a", module="ping")], max_cost=1.5)
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, asked)
    with db.read() as tx:
        assert loop_rows.get_loop(tx, loop.id) == loop
        (fact,) = events.list_events(tx)
    assert loop.spec == asked
    assert (loop.mode, loop.state, loop.desired, loop.condition) == ("continuous", "pending", "run", "unknown")
    assert (fact.kind, fact.subject) == ("loop.created", f"loop:{loop.id}")
    assert fact.data == {"name": "web", "mode": "continuous", "decider": "auto", "dry_run": False}


def test_a_name_is_unique(db: Store) -> None:
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())
    with pytest.raises(Problem) as caught, db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert caught.value.code is Code.CONFLICT
    assert str(caught.value).startswith('cannot create the loop "web"')
    assert "--resume web" in str(caught.value)


def test_a_loop_is_found_by_id_name_and_prefix(db: Store) -> None:
    with db.write() as tx:
        made = {
            name: loop_rows.create_loop(tx, spec(name)).id
            for name in ("web", "web-staging", "database", "2", "ünder")
        }

    def find(ref: int | str) -> int:
        with db.read() as tx:
            return loop_rows.get_loop(tx, ref).id

    assert find(made["web"]) == made["web"]
    assert find(str(made["database"])) == made["database"]
    assert find("web") == made["web"]
    assert find("web-") == find("web-s") == made["web-staging"]
    assert find("d") == made["database"]
    assert find("ü") == made["ünder"]
    assert find("2") == 2
    for ref, code, words in (
        ("we", Code.INVALID, 'ambiguous prefix of "web", "web-staging"'),
        ("databaze", Code.NOT_FOUND, 'did you mean "database"?'),
        ("zzz", Code.NOT_FOUND, "status --all"),
        ("", Code.NOT_FOUND, "cannot find"),
        (99, Code.NOT_FOUND, '"99"'),
        ("9" * 40, Code.NOT_FOUND, "cannot find"),
        ("%", Code.NOT_FOUND, "cannot find"),
    ):
        with pytest.raises(Problem) as caught:
            find(ref)
        assert caught.value.code is code
        assert words in str(caught.value)


def test_loops_are_read_in_pages(db: Store) -> None:
    with db.write() as tx:
        made = [started_loop(tx, f"loop-{n}") for n in range(7)]
        for loop, generation in made[::2]:
            loop_rows.move_loop(tx, loop.id, generation, sample(LoopCompleted), outcome=Outcome.CONVERGED)
    with db.read() as tx:
        assert [loop.name for loop in loop_rows.list_loops(tx, finished=False)] == ["loop-5", "loop-3", "loop-1"]
        everything = [loop.id for loop in loop_rows.list_loops(tx, finished=True)]
        assert everything == sorted(everything, reverse=True)
        first = loop_rows.list_loops(tx, finished=True, limit=3)
        rest = loop_rows.list_loops(tx, finished=True, before=first[-1].id)
        assert [loop.id for loop in first + rest] == everything


def test_loops_that_failed_lately_and_how_many_have_ended(db: Store) -> None:
    with db.write() as tx:
        for n, (event, outcome) in enumerate(
            [
                (LoopEvent.FAILED, Outcome.NOT_CONVERGED),
                (LoopEvent.COMPLETED, Outcome.CONVERGED),
                (LoopEvent.FAILED, Outcome.FAILED),
                (LoopEvent.CANCELLED, Outcome.CANCELLED),
            ]
        ):
            loop, generation = started_loop(tx, f"loop-{n}")
            loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[event]), outcome=outcome)
        started_loop(tx, "runs")
    with db.read() as tx:
        assert [loop.name for loop in loop_rows.list_recently_failed(tx, since=0)] == ["loop-2", "loop-0"]
        assert [loop.name for loop in loop_rows.list_recently_failed(tx, since=0, limit=1)] == ["loop-2"]
        assert loop_rows.list_recently_failed(tx, since=tx.now + 1) == []
        assert (loop_rows.count_ended(tx, limit=100), loop_rows.count_ended(tx, limit=3)) == (4, 3)


# --- claims --------------------------------------------------------------------------------------------------------


def test_a_claim_fences_the_one_before(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        first = loop_rows.claim_loop(tx, loop.id, "host 1")
        second = loop_rows.claim_loop(tx, loop.id, "boot:22:333")
    assert (first, second) == (1, 2)
    for late in (
        lambda tx: loop_rows.update_loop(tx, loop.id, first, condition=Condition.IN_SYNC),
        lambda tx: loop_rows.move_loop(tx, loop.id, first, sample(LoopStarted), run=1),
        lambda tx: loop_rows.check_claim(tx, loop.id, first),
    ):
        with pytest.raises(Problem) as caught, db.write() as tx:
            late(tx)
        assert caught.value.code is Code.CONFLICT
        assert str(caught.value) == 'cannot continue the loop "web": another process has claimed it; it is process 22'
    with db.write() as tx:
        assert loop_rows.get_loop(tx, loop.id).condition is Condition.UNKNOWN
        loop_rows.update_loop(tx, loop.id, second, condition=Condition.IN_SYNC)
        loop_rows.move_loop(tx, loop.id, second, sample(LoopStarted), run=1)
    with db.read() as tx:
        assert loop_rows.get_loop(tx, loop.id).condition is Condition.IN_SYNC
    assert event_kinds(db, loop.id) == ["loop.created", "loop.started"]


def test_claims_at_once_get_different_generations(db: Store, path: Path) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
    got: list[int] = []

    def claim() -> None:
        own = open_database(path, create=False)
        for _ in range(10):
            with own.write() as tx:
                got.append(loop_rows.claim_loop(tx, loop.id, "me"))
        own.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 41))


def test_a_missing_loop_is_not_found(db: Store) -> None:
    for call in (
        lambda tx: loop_rows.claim_loop(tx, 7, "me"),
        lambda tx: loop_rows.update_loop(tx, 7, 1, run=2),
        lambda tx: loop_rows.insert_iteration(tx, 7, 1),
        lambda tx: loop_rows.get_iteration(tx, 7),
        lambda tx: action_rows.get_action(tx, 7),
        lambda tx: prompt_rows.get_prompt(tx, 7),
        lambda tx: increment_rows.get_increment(tx, 7),
        lambda tx: rule_rows.update_rule_result(tx, 7, success=True, detail=None),
    ):
        with pytest.raises(Problem) as caught, db.write() as tx:
            call(tx)
        assert caught.value.code is Code.NOT_FOUND


def test_setting_the_desired_state_keeps_the_claim(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.set_desired(tx, loop.id, Desired.PAUSE)
        assert loop_rows.get_loop(tx, loop.id).desired is Desired.PAUSE
        loop_rows.check_claim(tx, loop.id, generation)


# --- iterations and actions ----------------------------------------------------------------------------------------


def test_iterations_are_read_in_pages(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 8):
            iteration = loop_rows.insert_iteration(tx, loop.id, 1 + n // 5)
            assert iteration.n == n
            assert loop_rows.open_iteration(tx, loop.id) == iteration
            end_iteration(tx, iteration.id)
        assert loop_rows.open_iteration(tx, loop.id) is None

    def ns(**page: Any) -> list[int]:
        with db.read() as tx:
            return [each.n for each in loop_rows.get_iterations(tx, loop.id, **page)]

    assert ns() == [1, 2, 3, 4, 5, 6, 7]
    assert ns(limit=3) == [1, 2, 3]
    assert ns(after=3, limit=3) == [4, 5, 6]
    assert ns(newest=True, limit=3) == [5, 6, 7]
    assert ns(newest=True, before=5, limit=3) == [2, 3, 4]
    assert ns(after=2, before=5) == [3, 4]
    with db.read() as tx:
        assert [each.n for each in loop_rows.iterations_of_run(tx, loop.id, 2)] == [5, 6, 7]
