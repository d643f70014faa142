"""Migrations create exactly the declared tables, and every query of a front end has its index."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.gate.budgets import Limit
from ftl2_enterprise.loops import tables
from ftl2_enterprise.loops.manager import LoopManager
from ftl2_enterprise.loops.ports import ModelLimits
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    increments as increment_rows,
    loop_list,
    loops as loop_rows,
    model_calls as model_call_rows,
    model_queue,
    model_spending,
    observations as observation_rows,
    prompts as prompt_rows,
    rules as rule_rows,
)
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.store import events, freezes, idempotency, texts
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.wiring.database import open_database, open_temporary
from tests.support.data.database import one_of_each, spec
from tests.support.data.schemas import expected_schema, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

NAMED = {
    "loops", "increments", "iterations", "hosts", "actions", "prompts", "resources", "rule_results",
    "observations", "model_calls", "events", "texts", "disabled_rules", "handovers", "cursors",
    "model_reservations", "model_spending", "model_waits", "model_providers", "approvals", "approval_votes",
    "freezes", "loop_revisions", "loop_files",
}  # fmt: skip


def test_the_tables_are_those_that_were_promised() -> None:
    assert set(metadata.tables) >= NAMED
    assert events.events.metadata is texts.texts.metadata is tables.loops.metadata is idempotency.handovers.metadata
    assert freezes.freezes.metadata is metadata


def test_migrations_create_the_declared_tables(db: Store) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection, db.read() as tx:
        made = schema(tx.connection)
        columns = text("SELECT m.name, c.* FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'")
        order = [row for row in tx.connection.execute(columns) if row[0] != "alembic_version"]
        assert sorted(order) == sorted(connection.execute(columns))
    engine.dispose()
    assert made == expected_schema()
    assert {name for kind, name in made if kind == "trigger"} == set(events.TRIGGERS)


def test_a_throwaway_database_equals_the_migrated_one(tmp_path: Path) -> None:
    thrown, kept = (
        make(tmp_path / name)
        for name, make in (("thrown.db", open_temporary), ("kept.db", partial(open_database, create=True)))
    )
    with thrown.read() as one, kept.read() as other:
        assert schema(one.connection) == schema(other.connection)
        versions = [set(tx.connection.execute(text("SELECT * FROM alembic_version"))) for tx in (one, other)]
        assert versions[0] == versions[1]
    for database in (thrown, kept):
        database.close()


def ids(tx: Tx) -> None:
    action_rows.get_actions_for_iterations(tx, [1, 2, 3])


QUERIES: list[Callable[[Tx], object]] = [
    lambda tx: loop_rows.get_loop(tx, 1),
    lambda tx: loop_rows.get_loop(tx, "web"),
    lambda tx: loop_rows.get_loop(tx, "we"),
    lambda tx: loop_rows.list_loops(tx, finished=False),
    lambda tx: loop_rows.list_loops(tx, finished=True, before=9),
    lambda tx: loop_rows.open_iteration(tx, 1),
    lambda tx: loop_rows.get_iteration(tx, 1),
    lambda tx: loop_rows.get_iterations(tx, 1),
    lambda tx: loop_rows.get_iterations(tx, 1, before=9, newest=True),
    lambda tx: loop_rows.iterations_of_run(tx, 1, 1),
    lambda tx: observation_rows.get_observations(tx, 1),
    lambda tx: action_rows.get_action(tx, 1),
    lambda tx: action_rows.get_actions_for_iteration(tx, 1),
    ids,
    lambda tx: action_rows.get_actions_for_loop(tx, 1),
    lambda tx: action_rows.get_actions_for_loop(tx, 1, before=9),
    lambda tx: action_rows.get_unknown_actions(tx, 1, since_iteration_n=1),
    lambda tx: action_rows.count_changed(tx, 1, 1),
    lambda tx: prompt_rows.get_prompt(tx, 1),
    lambda tx: prompt_rows.get_prompts(tx, 1),
    lambda tx: prompt_rows.get_prompts(tx, None, state=PromptState.OPEN),
    lambda tx: prompt_rows.get_prompts(tx, 1, state=PromptState.OPEN),
    lambda tx: host_rows.get_hosts(tx, 1),
    lambda tx: host_rows.get_resources(tx, 1),
    lambda tx: rule_rows.get_rule_results(tx, 1),
    lambda tx: rule_rows.get_rule_results_for_loop(tx, 1),
    lambda tx: model_call_rows.get_model_calls(tx, 1),
    lambda tx: model_call_rows.get_model_calls_for_iteration(tx, 1),
    lambda tx: model_call_rows.get_open_model_calls(tx, 1),
    lambda tx: model_call_rows.spent_on(tx, 1),
    lambda tx: model_spending.budgets(tx, 1, spec(max_cost=1.0), Limit(cost=1)),
    lambda tx: model_queue.waits(tx, 1, "claude", ModelLimits(parallel=1, rate=1)),
    lambda tx: model_queue.waits(tx, 2, "of loop 1", ModelLimits()),
    model_queue.get_waits,
    model_queue.next_in_line,
    lambda tx: increment_rows.get_increments(tx, 1),
    lambda tx: loop_list.lines(tx, Table(), finished=False, before=None, limit=9),
    lambda tx: loop_list.lines(tx, Table(), finished=True, before=9, limit=9),
    lambda tx: prompt_rows.newest_prompts(tx, None, settled=False, limit=9),
    lambda tx: prompt_rows.newest_prompts(tx, 1, settled=True, limit=9),
    lambda tx: action_rows.newest_actions(tx, 1, state=None, before=9, limit=9),
    lambda tx: host_rows.hosts_by_loop(tx, None, limit=9),
    lambda tx: host_rows.hosts_by_loop(tx, 1, limit=9),
    lambda tx: host_rows.resources_by_loop(tx, None, limit=9),
    rule_rows.firings,
    lambda tx: LoopManager(SupervisorSettings).ensure(tx, {}, tx.now, booted=False),
    lambda tx: events.list_events(tx, after=3),
    lambda tx: events.list_events(tx, after=3, subject="loop:1"),
]


WALKED = (
    "USING INDEX loops_open",
    "USING INDEX prompts_open",
    "USING COVERING INDEX loops_managed",
    "USING COVERING INDEX prompts_due",
    "USING COVERING INDEX loops_frozen",
    "USING INDEX loops_failing",
    "USING COVERING INDEX loops_notes",
    "USING COVERING INDEX rule_results_fired",
    "USING INDEX model_waits_by_provider",
)
PAGED = ("USING INDEX sqlite_autoindex_hosts_1", "USING INDEX sqlite_autoindex_resources_1")


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_no_query_reads_a_whole_table_or_sorts_one(db: Store, number: int) -> None:
    with db.write() as tx:
        one_of_each(tx)
    asked: list[str] = []
    with db.read() as tx:
        tx.raw.set_trace_callback(asked.append)
        QUERIES[number](tx)
        tx.raw.set_trace_callback(None)
        queries = [sql for sql in asked if sql.startswith("SELECT")]
        assert queries
        for sql in queries:
            plan = [row[3] for row in tx.raw.execute(f"EXPLAIN QUERY PLAN {sql}")]
            for step in plan:
                # Some indexes hold only rows that are open or rare, so walking along them is what is wanted; and a
                # page of what is sorted by an index is the beginning of it.
                few = step.endswith(WALKED) or (step.endswith(PAGED) and "LIMIT" in sql)
                assert not step.startswith("SCAN") or few, (sql, plan)
                assert "TEMP B-TREE" not in step or "iteration_id IN" in sql, (sql, plan)
            if "'unknown'" in sql:
                assert any("actions_unknown" in step for step in plan), plan
