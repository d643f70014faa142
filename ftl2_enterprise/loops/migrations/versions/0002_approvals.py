"""Approvals, the kind of a prompt, and two outcomes more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ftl2_enterprise.store.migrations.table_text import replace_in_tables

revision = "loops_0002"
down_revision = "loops_0001"

_KIND = "kind TEXT DEFAULT 'question' NOT NULL"
_OUTCOMES = {
    "'blocked', 'denied', 'model_failed'": "'blocked', 'denied', 'unapproved', 'drifted', 'model_failed'",
}
_REPLACED = {
    "loops": _OUTCOMES,
    "iterations": _OUTCOMES,
    "prompts": {
        "\tCONSTRAINT prompts_answered CHECK": (
            "\tCONSTRAINT prompts_kind_known CHECK (\"kind\" IN ('question', 'approval')), \n"
            "\tCONSTRAINT prompts_answered CHECK"
        ),
        f", {_KIND}": f", \n\t{_KIND}",
    },
}


def upgrade() -> None:
    op.execute(f"ALTER TABLE prompts ADD COLUMN {_KIND}")
    _create()
    replace_in_tables(_REPLACED)


def _create() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("iteration_id", sa.Integer(), sa.ForeignKey("iterations.id"), nullable=False),
        sa.Column("prompt_id", sa.Integer(), sa.ForeignKey("prompts.id"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("effects_digest", sa.Text(), nullable=False),
        sa.Column("observations_digest", sa.Text(), nullable=False),
        sa.Column("requester", sa.Integer(), nullable=True),
        sa.Column("asked_at", sa.Integer(), nullable=False),
        sa.Column("deadline_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.Column("used_by", sa.Integer(), sa.ForeignKey("iterations.id"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.UniqueConstraint("iteration_id", name="approvals_iteration"),
        sa.UniqueConstraint("prompt_id", name="approvals_prompt"),
        sa.CheckConstraint(
            "\"state\" IN ('open', 'approved', 'rejected', 'expired', 'void', 'used')", name="approvals_state_known"
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('open', 'approved'))", name="approvals_ended"),
        sa.CheckConstraint("(used_by IS NOT NULL) = (state = 'used')", name="approvals_used"),
        sa.CheckConstraint("used_by > iteration_id", name="approvals_used_later"),
        sa.CheckConstraint(
            "min(length(salt), length(effects_digest), length(observations_digest)) >= 32", name="approvals_bound"
        ),
        sa.CheckConstraint("deadline_at > asked_at", name="approvals_deadline"),
        sqlite_autoincrement=True,
    )
    op.create_index("approvals_by_loop", "approvals", ["loop_id", "id"])
    op.create_index(
        "approvals_by_use", "approvals", ["used_by"], unique=True, sqlite_where=sa.text("used_by IS NOT NULL")
    )
    op.create_table(
        "approval_votes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("approval_id", sa.Integer(), sa.ForeignKey("approvals.id"), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effects_digest", sa.Text(), nullable=False),
        sa.Column("observations_digest", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("approval_id", "uid", name="approval_votes_person"),
        sa.CheckConstraint("approved IN (0, 1)", name="approval_votes_approved_flag"),
        sa.CheckConstraint("name <> ''", name="approval_votes_name_given"),
        sa.CheckConstraint("uid >= 0", name="approval_votes_uid_known"),
        sqlite_autoincrement=True,
    )
    op.create_index("approval_votes_by_loop", "approval_votes", ["loop_id"])
