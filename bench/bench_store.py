"""The database: recording, rebuilding a history, and pages whose cost does not depend on the size of the table.

The peers are what one writes first: a transaction for each row, a query for each iteration, pages by OFFSET.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from bench.measure import Row, medians_of_both
from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
from ftl2_enterprise.loops.tables import actions, iterations
from ftl2_enterprise.protocol.loops.facts import LoopStarted
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Iteration,
    IterationOutcome,
    IterationState,
    LoopSpec,
)
from ftl2_enterprise.wiring.database import open_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

MANY = int(os.environ.get("FTL2_ENTERPRISE_BENCH_ACTIONS", "10000000"))
"""Actions in the large database."""
FEW = 10
LOOPS = 1_000
HISTORY = 200
PAGE = 9
"""Rows on a page; three iterations of three actions."""
CALL: dict[str, Any] = {
    "host": "web1",
    "target": "web1",
    "module": "file",
    "params": {"path": "/srv/app"},
    "origin": "decision",
}


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        return [*_recording(directory), _history(directory), *_pages(directory)]


# --- one iteration with three actions ------------------------------------------------------------------------------


def _started(db: Store, name: str) -> int:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, LoopSpec(name=name, desired_state="measured"))
        generation = loop_rows.claim_loop(tx, loop.id, "bench")
        loop_rows.move_loop(tx, loop.id, generation, LoopStarted(run=1, resumed=False, max_iterations=10), run=1)
    return loop.id


def _record(db: Store, loop_id: int) -> None:
    """An iteration and its three actions through their whole lifecycles, with counters, in one transaction."""
    with db.write() as tx:
        iteration = loop_rows.insert_iteration(tx, loop_id, 1)
        loop_rows.move_iteration(tx, iteration.id, IterationEvent.DECIDED, decided_by="rules")
        for n in range(3):
            _act(tx, iteration, n)
        loop_rows.move_iteration(tx, iteration.id, IterationEvent.ENDED, outcome=IterationOutcome.ACTED)


def _record_in_four(db: Store, loop_id: int) -> None:
    """The same with a separate transaction for each action, as a first version would do it."""
    with db.write() as tx:
        iteration = loop_rows.insert_iteration(tx, loop_id, 1)
        loop_rows.move_iteration(tx, iteration.id, IterationEvent.DECIDED, decided_by="rules")
    for n in range(3):
        with db.write() as tx:
            _act(tx, iteration, n)
            if n == 2:
                loop_rows.move_iteration(tx, iteration.id, IterationEvent.ENDED, outcome=IterationOutcome.ACTED)


def _act(tx: Tx, iteration: Iteration, n: int) -> None:
    action = action_rows.insert_action(tx, iteration, n=n, **CALL)
    action_rows.move_action(tx, action, ActionEvent.STARTED)
    action_rows.move_action(tx, action, ActionEvent.SUCCEEDED, changed=True, rc=0, stdout="done")


def _recording(directory: Path) -> list[Row]:
    db = open_database(directory / "record.db", create=True)
    loop_id, four_id, naive_id = (_started(db, name) for name in ("ours", "four", "naive"))
    numbers = iter(range(1, 1_000_000))

    def naively() -> None:
        """Only the final state of each row, in four transactions, without lifecycles and counters."""
        with db.write() as tx:
            row = {
                "loop_id": naive_id, "run": 1, "n": next(numbers), "state": IterationState.ENDED,
                "outcome": IterationOutcome.ACTED, "started_at": tx.now, "ended_at": tx.now,
            }  # fmt: skip
            iteration_id = tx.connection.execute(insert(iterations), row).lastrowid
        for n in range(3):
            with db.write() as tx:
                done = {"state": ActionState.SUCCEEDED, "changed": True, "rc": 0, "stdout": "done"}
                row = {
                    "loop_id": naive_id, "iteration_id": iteration_id, "n": n, "started_at": tx.now,
                    "ended_at": tx.now, **done, **CALL,
                }  # fmt: skip
                tx.connection.execute(insert(actions), row)

    one, four = medians_of_both(lambda: _record(db, loop_id), lambda: _record_in_four(db, four_id), runs=60, warmup=5)
    ours, ends = medians_of_both(lambda: _record(db, loop_id), naively, runs=60, warmup=5)
    db.close()
    name = "recording an iteration with 3 actions, all their steps"
    return [
        Row(name=name, ours=one, peer=four, unit="ms", against="the same in four transactions"),
        Row(
            name=name,
            ours=ours,
            peer=ends,
            unit="ms",
            against="only their last states, in four transactions",
        ),
    ]


# --- a history -----------------------------------------------------------------------------------------------------


def _history(directory: Path) -> Row:
    db = open_database(directory / "history.db", create=True)
    loop_id = _started(db, "ours")
    for _ in range(HISTORY):
        _record(db, loop_id)

    def ours() -> int:
        with db.read() as tx:
            page = loop_rows.get_iterations(tx, loop_id, limit=HISTORY)
            return sum(map(len, action_rows.get_actions_for_iterations(tx, [each.id for each in page]).values()))

    def peer() -> int:
        with db.read() as tx:
            page = loop_rows.get_iterations(tx, loop_id, limit=HISTORY)
            return sum(len(action_rows.get_actions_for_iteration(tx, each.id)) for each in page)

    assert ours() == peer() == 3 * HISTORY
    mine, theirs = medians_of_both(ours, peer, runs=15)
    db.close()
    name = f"history of {HISTORY} iterations with {3 * HISTORY} actions"
    return Row(name=name, ours=mine, peer=theirs, unit="ms", against=f"a query for each, {HISTORY + 1} in all")


# --- pages ---------------------------------------------------------------------------------------------------------


def _pages(directory: Path) -> list[Row]:
    small = _filled(directory / "small.db", FEW)
    large = _filled(directory / "large.db", MANY)
    rows: list[Row] = []
    for name, page in (
        ("page of open loops", _unended),
        ("newest 3 iterations with actions", _newest_iterations),
        (f"newest {PAGE} actions", _newest_actions),
    ):
        at_many, at_few = medians_of_both(_on(large, page), _on(small, page), runs=40, warmup=3)
        against = f"the same page at {FEW:,} actions"
        rows.append(Row(name=f"{name}, at {MANY:,} actions", ours=at_many, peer=at_few, unit="ms", against=against))
    middle = MANY // 4

    def by_key() -> object:
        with large.read() as tx:
            return [each.id for each in action_rows.get_actions_for_loop(tx, 1, before=middle, limit=PAGE)]

    def by_offset() -> object:
        with large.read() as tx:
            query = select(actions.c.id).where(actions.c.loop_id == 1).order_by(actions.c.id.desc())
            # The first half of the rows belongs to loop 1, so both queries return the same page.
            return list(tx.connection.execute(query.limit(PAGE).offset(MANY // 2 - middle + 1)).scalars())

    assert by_key() == by_offset()
    ours, peer = medians_of_both(by_key, by_offset, runs=9)
    name = f"{PAGE} actions from the middle of {MANY // 2:,}"
    rows.append(Row(name=name, ours=ours, peer=peer, unit="ms", against="by OFFSET, and only their ids"))
    small.close()
    large.close()
    return rows


def _on(db: Store, page: Callable[[Store], int]) -> Callable[[], int]:
    return lambda: page(db)


def _unended(db: Store) -> int:
    with db.read() as tx:
        return len(loop_rows.list_loops(tx, finished=False, limit=PAGE))


def _newest_iterations(db: Store) -> int:
    with db.read() as tx:
        page = loop_rows.get_iterations(tx, 1, newest=True, limit=3)
        return len(action_rows.get_actions_for_iterations(tx, [each.id for each in page]))


def _newest_actions(db: Store) -> int:
    with db.read() as tx:
        return len(action_rows.get_actions_for_loop(tx, 1, limit=PAGE))


def _filled(path: Path, amount: int) -> Store:
    """A database with `amount` actions, three for each iteration: half of them in one loop, the rest in many.

    All loops except those of one page have ended. In the small database all rows belong to one loop, so each page is
    as full as in the large one, and only the number of other rows differs.
    """
    open_database(path, create=True).close()
    loops, half = (LOOPS, amount // 2) if amount > FEW else (PAGE + 1, amount)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("PRAGMA cache_size = -400000")
        raw.execute("PRAGMA foreign_keys = OFF")
        indexes = raw.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name IN ('actions', 'iterations') AND type = 'index' "
            "AND sql IS NOT NULL"
        ).fetchall()
        raw.execute("BEGIN")
        for name, _ in indexes:
            raw.execute(f"DROP INDEX {name}")
        raw.execute(_LOOPS_SQL, {"loops": loops, "open": PAGE})
        raw.execute(_ITERATIONS_SQL, {"iterations": amount // 3 + 1, "half": half // 3 + 1, "loops": loops})
        raw.execute(_ACTIONS_SQL, {"actions": amount, "half": half, "loops": loops})
        for _, sql in indexes:
            raw.execute(sql)
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return open_database(path, create=False)


_LOOPS_SQL = """
WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < :loops)
INSERT INTO loops (name, state, desired, outcome, mode, desired_state, spec, condition, created_at, started_at,
                   ended_at, updated_at)
SELECT 'loop-' || k, CASE WHEN k <= :open THEN 'running' ELSE 'completed' END, 'run',
       CASE WHEN k <= :open THEN NULL ELSE 'converged' END, 'single', 'x',
       json_object('name', 'loop-' || k, 'desired_state', 'x'), 'in_sync', k, k,
       CASE WHEN k <= :open THEN NULL ELSE k END, k
FROM numbers
"""
_ITERATIONS_SQL = """
WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < :iterations)
INSERT INTO iterations (id, loop_id, run, n, state, outcome, started_at, decided_at, ended_at)
SELECT k, CASE WHEN k <= :half THEN 1 ELSE 2 + k % (:loops - 1) END, 1, k, 'ended', 'acted', k, k, k FROM numbers
"""
_ACTIONS_SQL = """
WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < :actions)
INSERT INTO actions (id, loop_id, iteration_id, n, host, target, module, params, origin, state, changed, rc, stdout,
                     stdout_size, started_at, ended_at)
SELECT k, CASE WHEN k <= :half THEN 1 ELSE 2 + k % (:loops - 1) END, 1 + (k - 1) / 3, k % 3, 'web1', 'web1', 'file',
       '{"path":"/srv/app"}', 'decision', 'succeeded', k % 2, 0, 'done', 4, k, k
FROM numbers
"""
