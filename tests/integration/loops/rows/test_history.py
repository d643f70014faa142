"""The iterations of a loop in which something happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent
from ftl2_enterprise.loops.rows import actions as action_rows, history as history_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome
from ftl2_enterprise.protocol.loops.verbs import GetHistory
from tests.support.data.database import propose, started_loop
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.replies import History
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Store]:
    opened = new_database(tmp_path / "loops.db")
    yield opened
    opened.close()


def iterate(tx: Tx, loop_id: int, outcome: IterationOutcome, how: ActionEvent | None = None, **result: Any) -> None:
    iteration = loop_rows.insert_iteration(tx, loop_id, 1)
    if how is not None:
        action = propose(tx, iteration)
        action_rows.move_action(tx, action, ActionEvent.STARTED)
        action_rows.move_action(tx, action, how, **result)
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.ENDED, outcome=outcome)


def history(db: Store, **request: Any) -> History:
    with db.read() as tx:
        return handlers.READS[GetHistory](tx, GetHistory(loop="web", changed=True, **request), Table())


def test_only_iterations_with_a_change_failure_or_question_are_listed(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for outcome in IterationOutcome:
            iterate(tx, loop.id, outcome)
        iterate(tx, loop.id, IterationOutcome.ACTED, ActionEvent.SUCCEEDED, changed=True)
        iterate(tx, loop.id, IterationOutcome.ACTED, ActionEvent.SUCCEEDED, changed=False)
        iterate(tx, loop.id, IterationOutcome.ACTED, ActionEvent.FAILED)
        iterate(tx, loop.id, IterationOutcome.ACTED, ActionEvent.LOST)
        loop_rows.insert_iteration(tx, loop.id, 1)
    found = history(db, actions=True)
    assert [str(one.outcome) for one in found.iterations] == [
        "rule_fired", "asked", "previewed", "blocked", "denied", "unapproved", "drifted", "model_failed",
        "interrupted", "failed", "acted", "acted", "acted",
    ]  # fmt: skip
    assert [str(action.state) for action in found.actions] == ["succeeded", "failed", "unknown"]
    assert found.more is None


def test_pages_have_the_requested_length(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 13):
            iterate(tx, loop.id, IterationOutcome.FAILED if n % 3 == 0 else IterationOutcome.CHECK_HELD)
    last = history(db, limit=3)
    assert ([one.n for one in last.iterations], last.more) == ([6, 9, 12], 6)
    before = history(db, limit=3, before=last.more)
    assert ([one.n for one in before.iterations], before.more) == ([3], None)


def test_a_page_scans_a_bounded_number_of_iterations(db: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_rows, "MAX_SCANNED", 5)
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 13):
            iterate(tx, loop.id, IterationOutcome.FAILED if n in {2, 12} else IterationOutcome.CONVERGED)
    pages: list[list[int]] = []
    more: int | None = None
    while not pages or more is not None:
        page = history(db, before=more)
        pages.append([one.n for one in page.iterations])
        more = page.more
    assert pages == [[12], [], [2]]


def test_the_query_uses_an_index(db: Store) -> None:
    statements: list[tuple[str, Any]] = []
    with db.write() as tx:
        loop, _ = started_loop(tx)
    with db.read() as tx:
        listener = lambda _c, _cursor, text, given, *_: statements.append((text, given))  # noqa: E731
        event.listen(tx.connection, "before_cursor_execute", listener)
        history_rows.get_changes(tx, loop.id, before=None, limit=20)
        event.remove(tx.connection, "before_cursor_execute", listener)
        plans = [
            str(row[3])
            for text, given in statements
            for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)
        ]
    assert any("USING INDEX" in step for step in plans)
    assert not [step for step in plans if step.startswith("SCAN") or "TEMP B-TREE" in step], plans
