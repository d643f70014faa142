# ruff: noqa: E501
"""What the service remembers: who runs a loop and how its process fares, rules that must not fire, submitted units."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_REAL: sa.types.TypeEngine[float] = sa.REAL()

_KEPT = """
    id, name, state, desired, outcome, reason, mode, desired_state, spec, condition, observed_at, run, generation, owner,
    failures, failed_iterations, rule_streak, "check", audited_at, next_run_at, next_observations, iteration_count,
    action_count, changed_count, failed_count, model_call_count, cost_usd, open_prompts, created_at, started_at,
    ended_at, updated_at
"""


def upgrade() -> None:
    _loops()
    op.create_index(
        "prompts_due",
        "prompts",
        ["deadline_at", "loop_id", "state"],
        sqlite_where=sa.text("state = 'open' AND deadline_at IS NOT NULL"),
    )
    op.create_index("observations_by_loop", "observations", ["loop_id"])
    op.create_index(
        "iterations_by_increment",
        "iterations",
        ["increment_id"],
        sqlite_where=sa.text("increment_id IS NOT NULL"),
    )
    op.create_index(
        "rule_results_fired", "rule_results", ["rule_name", "created_at", "fired"], sqlite_where=sa.text("fired = 1")
    )
    for table, name in (
        ("observations", "result"),
        ("actions", "stdout"),
        ("actions", "stderr"),
        ("actions", "output"),
        ("model_calls", "request"),
        ("model_calls", "response"),
    ):
        op.create_index(
            f"{table}_{name}_texts",
            table,
            [f"{name}_digest"],
            sqlite_where=sa.text(f"{name}_digest IS NOT NULL"),
        )
    op.create_table(
        "disabled_rules",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        sa.Column("disabled_by", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.Integer(), nullable=False),
        sa.CheckConstraint("name <> ''", name="disabled_rules_name_given"),
    )
    op.create_table(
        "handovers",
        sa.Column("client", sa.Text(), primary_key=True, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
    )


def _loops() -> None:
    # Made anew, because SQLite changes no CHECK of a table that exists; and by hand, so that what it becomes is written
    # here and not read from the old one. Ids that were given once stay given, also those of rows that are gone.
    op.create_table(
        "loops_new",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.Integer(), nullable=True),
        sa.Column("run", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_iterations", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rule_streak", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("audited_at", sa.Integer(), nullable=True),
        sa.Column("next_run_at", sa.Integer(), nullable=True),
        sa.Column("iteration_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("action_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("model_call_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_usd", _REAL, server_default=sa.text("0"), nullable=False),
        sa.Column("open_prompts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("managed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=True),
        sa.Column("restart_at", sa.Integer(), nullable=True),
        sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("crashes_since", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.Column("check", sa.Text(), nullable=True),
        sa.Column("next_observations", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("desired_state", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "\"state\" IN ('pending', 'running', 'waiting', 'resting', 'paused', 'blocked', 'completed', 'failed', 'cancelled')",
            name="loops_state_known",
        ),
        sa.CheckConstraint("\"desired\" IN ('run', 'pause', 'stop', 'cancel')", name="loops_desired_known"),
        sa.CheckConstraint(
            "\"outcome\" IN ('converged', 'previewed', 'not_converged', 'blocked', 'denied', 'model_failed', 'cancelled', 'failed')",
            name="loops_outcome_known",
        ),
        sa.CheckConstraint("\"mode\" IN ('single', 'incremental', 'continuous')", name="loops_mode_known"),
        sa.CheckConstraint("\"condition\" IN ('in_sync', 'drifted', 'unknown')", name="loops_condition_known"),
        sa.CheckConstraint("name <> ''", name="loops_name_given"),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled'))", name="loops_ended"
        ),
        sa.CheckConstraint(
            "state NOT IN ('completed', 'failed', 'cancelled', 'blocked') OR outcome IS NOT NULL",
            name="loops_outcome_given",
        ),
        sa.CheckConstraint("state <> 'resting' OR next_run_at IS NOT NULL", name="loops_rests_until"),
        sa.CheckConstraint(
            "state NOT IN ('running', 'waiting', 'resting', 'blocked', 'completed') OR started_at IS NOT NULL",
            name="loops_started",
        ),
        sa.CheckConstraint(
            "min(run, generation, failures, failed_iterations, rule_streak, crashes) >= 0 AND min(iteration_count, action_count, changed_count, failed_count, model_call_count, cost_usd, open_prompts) >= 0",
            name="loops_counts",
        ),
        sa.CheckConstraint("managed IN (0, 1)", name="loops_managed_flag"),
        sa.CheckConstraint("priority BETWEEN -100 AND 100", name="loops_priority_range"),
        sa.CheckConstraint("(crashes > 0) = (crashes_since IS NOT NULL)", name="loops_crashes_since_when"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO loops_new ({_KEPT}) SELECT {_KEPT} FROM loops ORDER BY id")
    op.execute("CREATE TEMP TABLE given AS SELECT seq FROM sqlite_sequence WHERE name = 'loops'")
    op.drop_table("loops")
    op.rename_table("loops_new", "loops")
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'loops'")
    op.execute("INSERT INTO sqlite_sequence (name, seq) SELECT 'loops', seq FROM temp.given")
    op.execute("DROP TABLE temp.given")
    op.create_index("loops_open", "loops", ["id"], sqlite_where=sa.text("ended_at IS NULL"))
    op.create_index(
        "loops_managed",
        "loops",
        [
            "id",
            "state",
            "desired",
            "priority",
            "created_at",
            "next_run_at",
            "restart_at",
            "open_prompts",
            "updated_at",
            "managed",
            "ended_at",
        ],
        sqlite_where=sa.text("managed = 1 AND ended_at IS NULL"),
    )
