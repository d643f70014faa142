"""No-op iterations may be removed after a while, and nothing else ever is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from ftl2_enterprise.loops import retention
from ftl2_enterprise.loops.lifecycle import IterationEvent
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    model_calls as model_call_rows,
    observations as observation_rows,
    rules as rule_rows,
)
from ftl2_enterprise.loops.tables import iterations
from ftl2_enterprise.protocol.loops.nouns import Iteration, IterationOutcome, ObservationState
from ftl2_enterprise.store.texts import texts
from tests.support.data.database import ask, propose, started_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

LATER = 2_000_000_000_000_000
"""After everything that these tests write."""


def see(
    tx: Tx, iteration: Iteration, result: str = "{}", state: ObservationState = ObservationState.SUCCEEDED
) -> None:
    found = observation_rows.insert_observation(
        tx, iteration, name="disk", module="command", host="web1", params={}, origin="decider"
    )
    observation_rows.finish_observation(tx, found, state, result=result)


def iterate(
    tx: Tx,
    loop: int,
    run: int,
    outcome: IterationOutcome = IterationOutcome.CONVERGED,
    and_also: Callable[[Tx, Iteration], Any] = see,
) -> int:
    iteration = loop_rows.insert_iteration(tx, loop, run)
    and_also(tx, iteration)
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.ENDED, outcome=outcome)
    return iteration.id


def runs(tx: Tx, loop: int, count: int, *, first: int = 1) -> list[int]:
    return [iterate(tx, loop, run) for run in range(first, first + count)]


def old(db: Store, before: int = LATER) -> list[int]:
    """What may go, asked for as control does."""
    found: list[int] = []
    after: int | None = 0
    with db.read() as tx:
        while after is not None:
            ids, after = retention.expired_iterations(tx, after=after, before=before)
            found += ids
    return found


def kept(db: Store) -> list[int]:
    with db.read() as tx:
        return list(tx.connection.execute(select(iterations.c.id).order_by(iterations.c.id)).scalars())


def forget(db: Store, ids: list[int]) -> int:
    with db.write() as tx:
        return retention.delete_iterations.call(ids).execute(tx)


def test_expired_iterations_are_deleted_with_their_observations_and_the_newest_of_each_loop_stay(db: Store) -> None:
    with db.write() as tx:
        web, mail = started_loop(tx, "web")[0].id, started_loop(tx, "mail")[0].id
        first, others = runs(tx, web, 30), runs(tx, mail, retention.NEWEST)
    assert old(db) == first[: -retention.NEWEST]
    assert forget(db, old(db)) == 10
    assert kept(db) == [*first[-retention.NEWEST :], *others]
    assert old(db) == []
    with db.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT count(*) FROM observations").scalar() == 2 * retention.NEWEST
        assert tx.connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        loop = loop_rows.get_loop(tx, "web")
        assert loop.iteration_count == 30
    with db.write() as tx:
        assert loop_rows.insert_iteration(tx, loop.id, 31).n == 31


def test_young_noop_iterations_are_kept(db: Store) -> None:
    with db.write() as tx:
        web = started_loop(tx)[0].id
        runs(tx, web, 5)
        then = tx.now
    with db.write() as tx:
        runs(tx, web, 25, first=6)
    assert len(old(db, then + 1)) == 5
    assert old(db, then) == []


@pytest.mark.parametrize(
    "and_also",
    [
        propose,
        ask,
        lambda tx, iteration: model_call_rows.begin_model_call(
            tx, iteration, purpose="decide", provider="claude", model=None, request="what now?"
        ),
        lambda tx, iteration: rule_rows.insert_rule_result(
            tx, iteration, rule_name="r", rule_digest="d", matched=False, fired=False, success=None, detail="broken"
        ),
        lambda tx, iteration: see(tx, iteration, state=ObservationState.FAILED),
        lambda tx, iteration: see(tx, iteration, state=ObservationState.UNKNOWN),
    ],
    ids=["action", "prompt", "model call", "rule", "failed observation", "unknown observation"],
)
def test_iterations_with_a_change_or_failure_are_kept(db: Store, and_also: Callable[[Tx, Iteration], Any]) -> None:
    with db.write() as tx:
        web = started_loop(tx)[0].id
        iterate(tx, web, 1)
        iterate(tx, web, 1, IterationOutcome.OBSERVED, and_also=and_also)
        rest = runs(tx, web, 22, first=2)
    assert old(db) == rest[:2]


@pytest.mark.parametrize("outcome", sorted(IterationOutcome))
def test_only_complete_runs_without_a_change_are_removed(db: Store, outcome: IterationOutcome) -> None:
    quiet = outcome in {
        IterationOutcome.CONVERGED, IterationOutcome.CHECK_HELD, IterationOutcome.OBSERVED, IterationOutcome.DELAYED
    }  # fmt: skip
    with db.write() as tx:
        web = started_loop(tx)[0].id
        run = [iterate(tx, web, 1), iterate(tx, web, 1, outcome), iterate(tx, web, 1)]
        runs(tx, web, retention.NEWEST, first=2)
    assert old(db) == (run if quiet else [])


def test_a_run_that_has_not_ended_is_kept(db: Store) -> None:
    with db.write() as tx:
        web = started_loop(tx)[0].id
        many = [iterate(tx, web, 1, IterationOutcome.OBSERVED) for _ in range(25)]
        loop_rows.insert_iteration(tx, web, 1)
    assert old(db) == []
    assert len(kept(db)) == len(many) + 1


def test_the_number_of_examined_iterations_is_bounded(db: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "EXAMINED", 7)
    with db.write() as tx:
        web = started_loop(tx)[0].id
        every = runs(tx, web, 40)
    with db.read() as tx:
        assert retention.expired_iterations(tx, after=0, before=LATER) == (every[:7], every[6])
        assert retention.expired_iterations(tx, after=every[-1], before=LATER) == ([], None)
        # Whatever follows is younger.
        assert retention.expired_iterations(tx, after=0, before=1) == ([], None)
    assert old(db) == every[:20]


def test_long_texts_are_removed_with_the_last_iteration_that_refers_to_them(db: Store) -> None:
    with db.write() as tx:
        web = started_loop(tx)[0].id
        iterate(tx, web, 1, and_also=lambda tx, iteration: see(tx, iteration, "seen once " * 1000))
        iterate(tx, web, 2, and_also=lambda tx, iteration: see(tx, iteration, "seen again " * 1000))
        runs(tx, web, 19, first=3)
        iterate(tx, web, 22, and_also=lambda tx, iteration: see(tx, iteration, "seen again " * 1000))
    assert len(old(db)) == 2
    forget(db, old(db))
    with db.read() as tx:
        assert tx.connection.execute(select(texts.c.size)).scalars().all() == [11_000]


def test_removing_missing_iterations_is_no_error(db: Store) -> None:
    with db.write() as tx:
        web = started_loop(tx)[0].id
        runs(tx, web, 22)
    ids = old(db)
    assert forget(db, ids) == 2
    assert forget(db, ids) == 0
    assert forget(db, []) == 0
