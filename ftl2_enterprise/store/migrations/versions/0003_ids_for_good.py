# ruff: noqa: E501
"""Ids of what belongs to a loop are never given twice, also when the loop with the highest ones is deleted.

SQLite gives AUTOINCREMENT to no table that exists, so each is made anew, by hand, so that what it becomes is written
here. The large ones come last: what the others leave free in the file is used for them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_REAL: sa.types.TypeEngine[float] = sa.REAL()


def upgrade() -> None:
    _renew(
        "hosts",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ansible_host", sa.Text(), nullable=True),
        sa.Column("ansible_port", sa.Integer(), nullable=True),
        sa.Column("ansible_user", sa.Text(), nullable=True),
        sa.Column("groups", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("facts", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("loop_id", "name", name="hosts_loop_name"),
        sa.CheckConstraint("\"state\" IN ('known', 'registered')", name="hosts_state_known"),
        sa.CheckConstraint("name <> ''", name="hosts_name_given"),
        sa.CheckConstraint("ansible_port BETWEEN 1 AND 65535", name="hosts_port_range"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
    )
    _renew(
        "resources",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("loop_id", "name", name="resources_loop_name"),
        sa.CheckConstraint("name <> ''", name="resources_name_given"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
    )
    _renew(
        "increments",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("desired_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_fix", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.UniqueConstraint("loop_id", "n", name="increments_loop_n"),
        sa.CheckConstraint(
            "\"state\" IN ('pending', 'running', 'converged', 'failed', 'blocked')", name="increments_state_known"
        ),
        sa.CheckConstraint("is_fix IN (0, 1)", name="increments_is_fix_flag"),
        sa.CheckConstraint("n >= 1", name="increments_n_from_1"),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('converged', 'failed', 'blocked'))", name="increments_ended"
        ),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
    )
    _renew(
        "prompts",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("default", sa.Text(), nullable=True),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.Integer(), nullable=False),
        sa.Column("deadline_at", sa.Integer(), nullable=True),
        sa.Column("answered_at", sa.Integer(), nullable=True),
        sa.CheckConstraint("\"state\" IN ('open', 'answered', 'expired', 'dismissed')", name="prompts_state_known"),
        sa.CheckConstraint(
            "(state = 'answered') = (answer IS NOT NULL) AND (state = 'answered') = (answered_at IS NOT NULL)",
            name="prompts_answered",
        ),
        sa.CheckConstraint("answered_by IS NULL OR state = 'answered'", name="prompts_answered_by_someone"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["iteration_id"], ["iterations.id"]),
    )
    op.create_index("prompts_by_iteration", "prompts", ["iteration_id"])
    op.create_index("prompts_by_loop", "prompts", ["loop_id", "id"])
    op.create_index(
        "prompts_one_open", "prompts", ["loop_id", "key"], unique=True, sqlite_where=sa.text("state = 'open'")
    )
    op.create_index("prompts_open", "prompts", ["id"], sqlite_where=sa.text("state = 'open'"))
    op.create_index(
        "prompts_due",
        "prompts",
        ["deadline_at", "loop_id", "state"],
        sqlite_where=sa.text("state = 'open' AND deadline_at IS NOT NULL"),
    )
    _renew(
        "rule_results",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.Integer(), nullable=False),
        sa.Column("rule_name", sa.Text(), nullable=False),
        sa.Column("rule_digest", sa.Text(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("fired", sa.Integer(), nullable=False),
        sa.Column("success", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.CheckConstraint("matched IN (0, 1)", name="rule_results_matched_flag"),
        sa.CheckConstraint("fired IN (0, 1)", name="rule_results_fired_flag"),
        sa.CheckConstraint("success IN (0, 1)", name="rule_results_success_flag"),
        sa.CheckConstraint("fired = 0 OR matched = 1", name="rule_results_fired_when_matched"),
        sa.CheckConstraint("success IS NOT 1 OR fired = 1", name="rule_results_success_when_fired"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["iteration_id"], ["iterations.id"]),
    )
    op.create_index("rule_results_by_iteration", "rule_results", ["iteration_id"])
    op.create_index("rule_results_by_loop", "rule_results", ["loop_id", "id"])
    op.create_index(
        "rule_results_fired", "rule_results", ["rule_name", "created_at", "fired"], sqlite_where=sa.text("fired = 1")
    )
    _renew(
        "iterations",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("increment_id", sa.Integer(), nullable=True),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reasoning", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.UniqueConstraint("loop_id", "n", name="iterations_loop_n"),
        sa.CheckConstraint(
            "\"state\" IN ('observing', 'deciding', 'asking', 'executing', 'ended')", name="iterations_state_known"
        ),
        sa.CheckConstraint(
            "\"outcome\" IN ('converged', 'check_held', 'rule_fired', 'acted', 'observed', 'asked', 'previewed', 'blocked', 'denied', 'model_failed', 'interrupted', 'failed')",
            name="iterations_outcome_known",
        ),
        sa.CheckConstraint("n >= 1 AND run >= 0", name="iterations_n_from_1"),
        sa.CheckConstraint("(ended_at IS NOT NULL) = (state = 'ended')", name="iterations_ended"),
        sa.CheckConstraint("(outcome IS NOT NULL) = (state = 'ended')", name="iterations_outcome_given"),
        sa.CheckConstraint(
            "state NOT IN ('executing', 'asking') OR decided_at IS NOT NULL", name="iterations_decided_first"
        ),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["increment_id"], ["increments.id"]),
    )
    op.create_index("iterations_by_run", "iterations", ["loop_id", "run", "n"])
    op.create_index(
        "iterations_one_open", "iterations", ["loop_id"], unique=True, sqlite_where=sa.text("ended_at IS NULL")
    )
    op.create_index(
        "iterations_by_increment",
        "iterations",
        ["increment_id"],
        sqlite_where=sa.text("increment_id IS NOT NULL"),
    )
    _renew(
        "observations",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("result_digest", sa.Text(), nullable=True),
        sa.Column("result_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "\"state\" IN ('running', 'succeeded', 'failed', 'denied', 'unknown')", name="observations_state_known"
        ),
        sa.CheckConstraint("(ended_at IS NOT NULL) = (state <> 'running')", name="observations_ended"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["iteration_id"], ["iterations.id"]),
        sa.ForeignKeyConstraint(["result_digest"], ["texts.digest"]),
    )
    op.create_index("observations_by_iteration", "observations", ["iteration_id"])
    op.create_index("observations_by_loop", "observations", ["loop_id"])
    _index_texts("observations", "result")
    _renew(
        "actions",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=True),
        sa.Column("rc", sa.Integer(), nullable=True),
        sa.Column("stdout", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("stdout_digest", sa.Text(), nullable=True),
        sa.Column("stdout_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("stderr", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("stderr_digest", sa.Text(), nullable=True),
        sa.Column("stderr_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("output", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("output_digest", sa.Text(), nullable=True),
        sa.Column("output_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "\"state\" IN ('proposed', 'running', 'succeeded', 'failed', 'denied', 'previewed', 'skipped', 'unknown')",
            name="actions_state_known",
        ),
        sa.CheckConstraint("changed IN (0, 1)", name="actions_changed_flag"),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('proposed', 'running'))", name="actions_ended"),
        sa.CheckConstraint(
            "state NOT IN ('running', 'succeeded', 'unknown') OR started_at IS NOT NULL", name="actions_started"
        ),
        sa.CheckConstraint("changed IS NULL OR state IN ('succeeded', 'failed')", name="actions_changed_when_run"),
        sa.CheckConstraint("state <> 'succeeded' OR changed IS NOT NULL", name="actions_changed_when_succeeded"),
        sa.CheckConstraint("rc IS NULL OR state IN ('succeeded', 'failed')", name="actions_rc_when_run"),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["iteration_id"], ["iterations.id"]),
        sa.ForeignKeyConstraint(["stdout_digest"], ["texts.digest"]),
        sa.ForeignKeyConstraint(["stderr_digest"], ["texts.digest"]),
        sa.ForeignKeyConstraint(["output_digest"], ["texts.digest"]),
    )
    op.create_index("actions_by_iteration", "actions", ["iteration_id"])
    op.create_index("actions_by_loop", "actions", ["loop_id", "id"])
    op.create_index("actions_unknown", "actions", ["loop_id", "id"], sqlite_where=sa.text("state = 'unknown'"))
    _index_texts("actions", "stdout", "stderr", "output")
    _renew(
        "model_calls",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_usd", _REAL, nullable=True),
        sa.Column("latency", _REAL, nullable=True),
        sa.Column("request", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=True),
        sa.Column("request_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("response", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("response_digest", sa.Text(), nullable=True),
        sa.Column("response_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "\"outcome\" IN ('ok', 'malformed', 'refused', 'timed_out', 'unreachable', 'unauthenticated', 'not_installed', 'failed', 'unknown')",
            name="model_calls_outcome_known",
        ),
        sa.CheckConstraint("(ended_at IS NOT NULL) = (outcome IS NOT NULL)", name="model_calls_ended"),
        sa.CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cost_usd >= 0 AND latency >= 0",
            name="model_calls_no_refunds",
        ),
        sa.ForeignKeyConstraint(["loop_id"], ["loops.id"]),
        sa.ForeignKeyConstraint(["iteration_id"], ["iterations.id"]),
        sa.ForeignKeyConstraint(["request_digest"], ["texts.digest"]),
        sa.ForeignKeyConstraint(["response_digest"], ["texts.digest"]),
    )
    op.create_index("model_calls_by_iteration", "model_calls", ["iteration_id"])
    op.create_index("model_calls_by_loop", "model_calls", ["loop_id", "id"])
    op.create_index("model_calls_open", "model_calls", ["loop_id"], sqlite_where=sa.text("ended_at IS NULL"))
    _index_texts("model_calls", "request", "response")
    _continue_after_used_ids()


def _renew(table: str, *parts: sa.schema.SchemaItem) -> None:
    bind, new = op.get_bind(), f"{table}_new"
    given = bind.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table}).scalar() or 0
    op.create_table(new, sa.Column("id", sa.Integer(), primary_key=True), *parts, sqlite_autoincrement=True)
    if _columns(new) != _columns(table):
        raise RuntimeError(f"the table {table} has other columns than it was made with")
    # Whole rows of a table of the same columns are copied as they are, without taking them apart.
    op.execute(f"INSERT INTO {new} SELECT * FROM {table}")
    op.drop_table(table)
    op.rename_table(new, table)
    highest = bind.execute(sa.text(f"SELECT max(id) FROM {table}")).scalar() or 0
    op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{table}'")
    op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {max(given, highest)})")


def _columns(table: str) -> list[str]:
    found = op.get_bind().execute(sa.text("SELECT name FROM pragma_table_info(:name) ORDER BY cid"), {"name": table})
    return list(found.scalars())


def _index_texts(table: str, *names: str) -> None:
    for name in names:
        op.create_index(
            f"{table}_{name}_texts",
            table,
            [f"{name}_digest"],
            sqlite_where=sa.text(f"{name}_digest IS NOT NULL"),
        )


def _continue_after_used_ids() -> None:
    # Rows that are gone have left their ids in the facts. One pass, as no index knows them.
    known = {"actions": "action_id", "prompts": "prompt_id", "model_calls": "call_id"}
    mentioned = ", ".join(
        f"max(CASE json_type(data, '$.{name}') WHEN 'integer' THEN json_extract(data, '$.{name}') END) AS {table}"
        for table, name in known.items()
    )
    bind = op.get_bind()
    highest = bind.execute(
        sa.text(f"SELECT max(iteration_id) AS iterations, {mentioned} FROM events WHERE json_valid(data)")
    )
    for table, seq in highest.mappings().one().items():
        bind.execute(
            sa.text("UPDATE sqlite_sequence SET seq = :seq WHERE name = :name AND seq < :seq"),
            {"name": table, "seq": seq or 0},
        )
