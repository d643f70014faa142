"""Every constraint refuses the rows that it forbids, from every writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import CheckConstraint, Table, UniqueConstraint, text
from sqlalchemy.exc import IntegrityError

from ftl2_enterprise.loops import tables
from ftl2_enterprise.store import idempotency
from ftl2_enterprise.store.columns import Flag, Word
from ftl2_enterprise.store.schema import metadata
from tests.support.data.database import Ticks, one_of_each
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Column

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

SHARED = ("cursors", "events", "freezes", "handovers", "texts")
assert tables.loops.metadata is idempotency.handovers.metadata is metadata
ALL = [*(one for one in vars(tables).values() if isinstance(one, Table)), *(metadata.tables[name] for name in SHARED)]
NOT_OURS = ("sqlite_", "alembic_")
WORDS = [(t, c) for t in ALL for c in t.columns if isinstance(c.type, Word)]
FLAGS = [(t, c) for t in ALL for c in t.columns if isinstance(c.type, Flag)]
NEEDED = [(t, c) for t in ALL for c in t.columns if not c.nullable and not c.primary_key and t.name != "events"]
REFERENCES = [(t, c) for t in ALL for c in t.columns if c.foreign_keys]


BROKEN: dict[str, list[str]] = {
    "loops_name_given": ["UPDATE loops SET name = ''"],
    "loops_ended": [
        "UPDATE loops SET ended_at = 1",
        "UPDATE loops SET state = 'completed', outcome = 'converged'",
        "UPDATE loops SET state = 'failed', outcome = 'failed'",
        "UPDATE loops SET state = 'cancelled', outcome = 'cancelled'",
    ],
    "loops_outcome_given": [
        f"UPDATE loops SET state = '{state}', outcome = NULL, ended_at = {ended}"
        for state, ended in (("completed", 1), ("failed", 1), ("cancelled", 1), ("blocked", "NULL"))
    ],
    "loops_rests_until": ["UPDATE loops SET state = 'resting', next_run_at = NULL"],
    "loops_started": [
        f"UPDATE loops SET state = '{state}', started_at = NULL, next_run_at = 1, outcome = 'blocked', "
        f"ended_at = {ended}"
        for state, ended in (
            ("running", "NULL"), ("waiting", "NULL"), ("resting", "NULL"), ("blocked", "NULL"), ("completed", 1)
        )
    ],
    "loops_counts": [
        f"UPDATE loops SET {column} = -1"
        for column in (
            "run", "generation", "failures", "failed_iterations", "rule_streak", "iteration_count", "action_count",
            "changed_count", "failed_count", "model_call_count", "cost_usd", "open_prompts",
        )
    ] + ["UPDATE loops SET crashes = -1, crashes_since = NULL"],
    "loops_priority_range": ["UPDATE loops SET priority = -101", "UPDATE loops SET priority = 101"],
    "loops_crashes_since_when": ["UPDATE loops SET crashes = 1", "UPDATE loops SET crashes_since = 1"],
    "disabled_rules_name_given": ["UPDATE disabled_rules SET name = ''"],
    "increments_n_from_1": ["UPDATE increments SET n = 0"],
    "increments_ended": [
        "UPDATE increments SET ended_at = 1",
        "UPDATE increments SET state = 'converged'",
        "UPDATE increments SET state = 'failed'",
        "UPDATE increments SET state = 'blocked'",
    ],
    "iterations_n_from_1": ["UPDATE iterations SET n = 0", "UPDATE iterations SET run = -1"],
    "iterations_ended": [
        "UPDATE iterations SET state = 'ended', outcome = 'acted'",
        "UPDATE iterations SET ended_at = 1",
    ],
    "iterations_outcome_given": [
        "UPDATE iterations SET outcome = 'acted'",
        "UPDATE iterations SET state = 'ended', ended_at = 1",
    ],
    "iterations_decided_first": [
        "UPDATE iterations SET state = 'executing'",
        "UPDATE iterations SET state = 'asking'",
    ],
    "observations_ended": [
        "UPDATE observations SET ended_at = 1",
        *(f"UPDATE observations SET state = '{s}'" for s in ("succeeded", "failed", "denied", "unknown")),
    ],
    "actions_ended": [
        "UPDATE actions SET ended_at = 1",
        "UPDATE actions SET state = 'running', started_at = 1, ended_at = 1",
        "UPDATE actions SET state = 'succeeded', started_at = 1, changed = 1",
        *(f"UPDATE actions SET state = '{s}', started_at = 1"
          for s in ("failed", "denied", "previewed", "skipped", "unknown")),
    ],
    "actions_started": [
        "UPDATE actions SET state = 'running'",
        "UPDATE actions SET state = 'succeeded', changed = 1, ended_at = 1",
        "UPDATE actions SET state = 'unknown', ended_at = 1",
    ],
    "actions_changed_when_run": [
        "UPDATE actions SET changed = 0",
        *(f"UPDATE actions SET state = '{s}', started_at = 1, ended_at = 1, changed = 1"
          for s in ("denied", "previewed", "skipped", "unknown")),
    ],
    "actions_changed_when_succeeded": ["UPDATE actions SET state = 'succeeded', started_at = 1, ended_at = 1"],
    "actions_rc_when_run": [
        "UPDATE actions SET rc = 0",
        *(f"UPDATE actions SET state = '{s}', started_at = 1, ended_at = 1, rc = 0"
          for s in ("denied", "previewed", "skipped", "unknown")),
    ],
    "approvals_ended": ["UPDATE approvals SET ended_at = 1", "UPDATE approvals SET state = 'rejected'"],
    "approvals_used": [
        "UPDATE approvals SET state = 'used', ended_at = 1",
        "UPDATE approvals SET used_by = iteration_id",
    ],
    "approvals_used_later": ["UPDATE approvals SET used_by = iteration_id, state = 'used', ended_at = 1"],
    "approvals_bound": [
        *(f"UPDATE approvals SET {name} = 'short'" for name in ("salt", "effects_digest", "observations_digest")),
    ],
    "approvals_deadline": ["UPDATE approvals SET deadline_at = asked_at"],
    "approval_votes_name_given": ["UPDATE approval_votes SET name = ''"],
    "approval_votes_uid_known": ["UPDATE approval_votes SET uid = -1"],
    "prompts_answered": [
        "UPDATE prompts SET answer = '80'",
        "UPDATE prompts SET answered_at = 1",
        "UPDATE prompts SET state = 'answered', answer = '80'",
        "UPDATE prompts SET state = 'answered', answered_at = 1",
        "UPDATE prompts SET state = 'expired', answer = '80', answered_at = 1",
    ],
    "prompts_answered_by_someone": ["UPDATE prompts SET answered_by = 'eva'"],
    "model_reservations_amounts": [
        "UPDATE model_reservations SET reserved_cost = -1",
        "UPDATE model_reservations SET reserved_tokens = -1",
    ],
    "model_reservations_no_refunds": [
        "UPDATE model_reservations SET ended_at = 1, settled_cost = -1",
        "UPDATE model_reservations SET ended_at = 1, settled_tokens = -1",
    ],
    "model_reservations_settled_at_end": [
        "UPDATE model_reservations SET settled_cost = 0",
        "UPDATE model_reservations SET settled_tokens = 0",
    ],
    "model_spending_scope_given": ["UPDATE model_spending SET scope = '' WHERE scope LIKE 'day%'"],
    "model_spending_amounts": [
        f"UPDATE model_spending SET {name} = -1"
        for name in ("cost", "tokens", "raised_cost", "raised_tokens", "overruns")
    ],
    "model_waits_places_from_1": ["UPDATE model_waits SET places = 0"],
    "model_providers_counts": [
        "UPDATE model_providers SET failures = -1",
        "UPDATE model_providers SET openings = -1",
    ],
    "model_providers_open_until": ["UPDATE model_providers SET state = 'open', retry_at = NULL"],
    "model_providers_one_probe": [
        "UPDATE model_providers SET state = 'half_open', probe = NULL",
        "UPDATE model_providers SET state = 'closed', probe = 1",
    ],
    "hosts_name_given": ["UPDATE hosts SET name = ''"],
    "hosts_port_range": ["UPDATE hosts SET ansible_port = 0", "UPDATE hosts SET ansible_port = 65536"],
    "loop_files_path_absolute": ["UPDATE loop_files SET path = 'hosts.yaml'", "UPDATE loop_files SET path = ''"],
    "loop_revisions_n_from_1": ["UPDATE loop_revisions SET n = 0"],
    "loop_revisions_restores_earlier": ["UPDATE loop_revisions SET restores = 1"],
    "resources_name_given": ["UPDATE resources SET name = ''"],
    "rule_results_fired_when_matched": ["UPDATE rule_results SET matched = 0, fired = 1"],
    "rule_results_success_when_fired": ["UPDATE rule_results SET fired = 0, success = 1"],
    "freezes_id_given": ["UPDATE freezes SET id = ''"],
    "freezes_of_given": [
        "UPDATE freezes SET scope = 'all', \"of\" = 'web1'",
        *(f"UPDATE freezes SET scope = '{s}', \"of\" = ''" for s in ("subject", "target", "kind")),
    ],
    "freezes_ended": [
        "UPDATE freezes SET ended_at = 1, ended_by = NULL",
        "UPDATE freezes SET ended_at = NULL, ended_by = 'eva'",
    ],
    "model_calls_ended": ["UPDATE model_calls SET ended_at = 1", "UPDATE model_calls SET outcome = 'ok'"],
    "model_calls_no_refunds": [
        f"UPDATE model_calls SET {column} = -1" for column in ("input_tokens", "output_tokens", "cost_usd", "latency")
    ],
}  # fmt: skip

LOOP = "INSERT INTO loops (name, state, desired, mode, desired_state, spec, condition, created_at, updated_at) "
REQUEST = (
    "INSERT INTO approvals (iteration_id, prompt_id, used_by, state, ended_at, loop_id, needs, actions, salt, "
    "effects_digest, observations_digest, asked_at, deadline_at) "
)
REQUESTED = (
    ", loop_id, needs, actions, salt, effects_digest, observations_digest, asked_at, deadline_at FROM approvals"
)

TWICE: dict[str, tuple[str, str]] = {
    "loops.name": (
        "", LOOP + "SELECT name, 'pending', desired, mode, desired_state, spec, condition, 1, 1 FROM loops",
    ),
    "increments.loop_id, increments.n": (
        "",
        "INSERT INTO increments (loop_id, n, desired_state, state, is_fix, created_at) "
        "SELECT loop_id, n, desired_state, state, is_fix, 1 FROM increments",
    ),
    "iterations.loop_id, iterations.n": (
        "UPDATE iterations SET state = 'ended', outcome = 'acted', ended_at = 1",
        "INSERT INTO iterations (loop_id, run, n, state, started_at) "
        "SELECT loop_id, run, n, 'observing', 1 FROM iterations",
    ),
    "iterations.loop_id": (
        "",
        "INSERT INTO iterations (loop_id, run, n, state, started_at) "
        "SELECT loop_id, run, n + 1, 'observing', 1 FROM iterations",
    ),
    "prompts.loop_id, prompts.key": (
        "",
        "INSERT INTO prompts (loop_id, iteration_id, key, question, options, state, asked_at) "
        "SELECT loop_id, iteration_id, key, 'another', options, 'open', 1 FROM prompts",
    ),
    "approvals.iteration_id": ("", REQUEST + "SELECT iteration_id, prompt_id + 1000, NULL, 'open', NULL" + REQUESTED),
    "approvals.prompt_id": ("", REQUEST + "SELECT iteration_id + 1000, prompt_id, NULL, 'open', NULL" + REQUESTED),
    "approvals.used_by": (
        "",
        # Two rows of one statement: references are checked at its end.
        f"{REQUEST}SELECT iteration_id + 1000, prompt_id + 1000, 9999, 'used', 1{REQUESTED} "
        f"UNION ALL SELECT iteration_id + 2000, prompt_id + 2000, 9999, 'used', 1{REQUESTED}",
    ),
    "approval_votes.approval_id, approval_votes.uid": (
        "",
        "INSERT INTO approval_votes (loop_id, approval_id, uid, name, access, groups, approved, effects_digest, "
        "observations_digest, given_at) SELECT loop_id, approval_id, uid, 'another', access, groups, 1, "
        "effects_digest, observations_digest, 1 FROM approval_votes",
    ),
    "hosts.loop_id, hosts.name": (
        "",
        "INSERT INTO hosts (loop_id, name, state, created_at, updated_at) "
        "SELECT loop_id, name, state, 1, 1 FROM hosts",
    ),
    "loop_files.revision_id, loop_files.path": (
        "",
        "INSERT INTO loop_files (loop_id, revision_id, path, content_digest) "
        "SELECT loop_id, revision_id, path, content_digest FROM loop_files",
    ),
    "loop_revisions.loop_id, loop_revisions.n": (
        "",
        "INSERT INTO loop_revisions (loop_id, n, created_at, spec) SELECT loop_id, n, 1, spec FROM loop_revisions",
    ),
    "resources.loop_id, resources.name": (
        "",
        "INSERT INTO resources (loop_id, name, data, created_at, updated_at) "
        "SELECT loop_id, name, data, 1, 1 FROM resources",
    ),
    "model_waits.loop_id": (
        "",
        "INSERT INTO model_waits (loop_id, generation, provider, reason, queued_at) "
        "SELECT loop_id, generation, provider, reason, 1 FROM model_waits",
    ),
    "model_providers.name": (
        "",
        "INSERT INTO model_providers (name, state, updated_at) SELECT name, state, 1 FROM model_providers",
    ),
    "texts.digest": ("", "INSERT INTO texts (digest, size, body) SELECT digest, size, body FROM texts"),
    "disabled_rules.name": ("", "INSERT INTO disabled_rules (name, disabled_at) SELECT name, 1 FROM disabled_rules"),
    "cursors.reader": ("", "INSERT INTO cursors (reader, event_id) SELECT reader, 1 FROM cursors"),
    "freezes.id": (
        "",
        'INSERT INTO freezes (id, scope, "of", reason, "by", since, now, by_administrator) '
        "SELECT id, 'all', '', 'another', 'eva', 1, 0, 0 FROM freezes",
    ),
    "handovers.client": ("", "INSERT INTO handovers (client, number) SELECT client, 1 FROM handovers"),
}  # fmt: skip


def checks() -> set[str]:
    return {str(c.name) for t in ALL for c in t.constraints if isinstance(c, CheckConstraint)}


def uniques() -> set[str]:
    def dotted(table: Table, columns: Iterable[Column[Any]]) -> str:
        return ", ".join(f"{table.name}.{column.name}" for column in columns)

    found = {dotted(t, c.columns) for t in ALL for c in t.constraints if isinstance(c, UniqueConstraint)}
    found |= {dotted(t, i.columns) for t in ALL for i in t.indexes if i.unique}
    return found | {"texts.digest", "disabled_rules.name", "freezes.id", "handovers.client", "cursors.reader"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with a row in every table, which no test changes: each transaction is rolled back."""
    opened = new_database(tmp_path_factory.mktemp("filled") / "loops.db", clock=Ticks(), busy_timeout=0.2)
    with opened.write() as tx:
        one_of_each(tx)
    yield opened
    opened.close()


def execute(tx: Tx, *statements: str) -> None:
    for statement in statements:
        tx.connection.execute(text(statement))


def refuse(filled: Store, statement: str, why: str, *, first: str = "") -> None:
    with pytest.raises(IntegrityError) as caught, filled.write() as tx:
        execute(tx, *filter(None, (first, statement)))
    assert str(caught.value.orig) == why


def test_every_table_is_tried(db: Store) -> None:
    with db.read() as tx:
        found = set(tx.connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    assert {table.name for table in ALL} == {name for name in found if not name.startswith(NOT_OURS)}


def test_every_constraint_is_tried() -> None:
    generated = {f"{t.name}_{c.name}_known" for t, c in WORDS} | {f"{t.name}_{c.name}_flag" for t, c in FLAGS}
    assert checks() == generated | set(BROKEN)
    assert not generated & set(BROKEN)
    assert uniques() == set(TWICE)


@pytest.mark.parametrize(("name", "statement"), [(name, each) for name, many in BROKEN.items() for each in many])
def test_check_constraints_refuse_invalid_rows(filled: Store, name: str, statement: str) -> None:
    # Other constraints may notice too, and SQLite names the first: so this one has to refuse on its own.
    table = statement.split()[1]
    alone = next(c for c in metadata.tables[table].constraints if c.name == name)
    assert isinstance(alone, CheckConstraint)
    with filled.write() as tx:
        tx.connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        tx.connection.execute(text(statement))
        held = tx.connection.execute(text(f"SELECT {alone.sqltext} FROM {table}")).scalar()
        assert held == 0
        tx.connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        tx.connection.execute(text("ROLLBACK"))
        tx.connection.execute(text("BEGIN"))
    with pytest.raises(IntegrityError, match="CHECK constraint failed"), filled.write() as tx:
        tx.connection.execute(text(statement))


@pytest.mark.parametrize(("table", "column"), WORDS, ids=lambda each: each.name)
def test_unknown_words_are_refused(filled: Store, table: Table, column: Column[Any]) -> None:
    refuse(
        filled,
        f"UPDATE {table.name} SET {column.name} = 'nonsense'",
        f"CHECK constraint failed: {table.name}_{column.name}_known",
    )


@pytest.mark.parametrize(("table", "column"), FLAGS, ids=lambda each: each.name)
def test_values_that_are_no_flags_are_refused(filled: Store, table: Table, column: Column[Any]) -> None:
    refuse(
        filled,
        f"UPDATE {table.name} SET {column.name} = 2",
        f"CHECK constraint failed: {table.name}_{column.name}_flag",
    )


@pytest.mark.parametrize(("table", "column"), NEEDED, ids=lambda each: each.name)
def test_missing_values_are_refused(filled: Store, table: Table, column: Column[Any]) -> None:
    name = f"{table.name}.{column.name}"
    refuse(
        filled,
        f'UPDATE {table.name} SET "{column.name}" = NULL',
        f"NOT NULL constraint failed: {name}",
    )


ALSO = {("approvals", "used_by"): ", state = 'used', ended_at = 1"}
"""What a row needs besides, so that no other constraint refuses it."""


@pytest.mark.parametrize(("table", "column"), REFERENCES, ids=lambda each: each.name)
def test_references_exist(filled: Store, table: Table, column: Column[Any]) -> None:
    refuse(
        filled,
        f"UPDATE {table.name} SET {column.name} = 424242{ALSO.get((table.name, column.name), '')}",
        "FOREIGN KEY constraint failed",
    )


@pytest.mark.parametrize("columns", TWICE)
def test_duplicates_are_refused(filled: Store, columns: str) -> None:
    first, again = TWICE[columns]
    refuse(filled, again, f"UNIQUE constraint failed: {columns}", first=first)


@pytest.mark.parametrize("statement", ["UPDATE events SET kind = 'loop.completed'", "DELETE FROM events"])
def test_facts_never_change(filled: Store, statement: str) -> None:
    refuse(filled, statement, "events are append-only")


@pytest.mark.parametrize("table", ["loops", "iterations", "increments", "texts"])
def test_referenced_rows_cannot_be_deleted(filled: Store, table: str) -> None:
    refuse(filled, f"DELETE FROM {table}", "FOREIGN KEY constraint failed")


def test_an_id_is_never_given_twice(db: Store) -> None:
    row = LOOP + "VALUES ('x', 'pending', 'run', 'single', '', '{}', 'unknown', 1, 1)"
    with db.write() as tx:
        tx.connection.execute(text(row))
        tx.connection.execute(text("DELETE FROM loops"))
        tx.connection.execute(text(row))
        assert tx.connection.execute(text("SELECT id FROM loops")).scalar() == 2
