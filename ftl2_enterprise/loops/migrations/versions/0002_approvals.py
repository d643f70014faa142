"""Approvals, the kind of a prompt, and two outcomes more.

SQLite cannot change the CHECK constraints of a table, and copying `iterations` can take minutes. A wider constraint
does not affect what is stored, so the text of the table is changed instead, as section 7 of lang_altertable.html in
the documentation of SQLite describes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0002"
down_revision = "loops_0001"

_KIND = "kind TEXT DEFAULT 'question' NOT NULL"
_CONSTRAINTS = {
    "loops": ("'blocked', 'denied', 'model_failed'", "'blocked', 'denied', 'unapproved', 'drifted', 'model_failed'"),
    "iterations": (
        "'blocked', 'denied', 'model_failed'",
        "'blocked', 'denied', 'unapproved', 'drifted', 'model_failed'",
    ),
    "prompts": (
        "\tCONSTRAINT prompts_answered CHECK",
        "\tCONSTRAINT prompts_kind_known CHECK (\"kind\" IN ('question', 'approval')), \n"
        "\tCONSTRAINT prompts_answered CHECK",
    ),
}


def upgrade() -> None:
    op.execute(f"ALTER TABLE prompts ADD COLUMN {_KIND}")
    _create()
    _widen()


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


def _widen() -> None:
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    try:
        for table, (old, new) in _CONSTRAINTS.items():
            found = connection.execute(
                sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": table}
            ).scalar_one()
            changed = found.replace(old, new, 1).replace(f", {_KIND}", f", \n\t{_KIND}", 1)
            if new not in changed:
                raise RuntimeError(f"the table {table} has other constraints than it was made with")
            connection.execute(
                sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"),
                {"sql": changed, "name": table},
            )
        # Other connections, and this one, read the schema again when its version has changed.
        connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    finally:
        connection.execute(sa.text("PRAGMA writable_schema = RESET"))
