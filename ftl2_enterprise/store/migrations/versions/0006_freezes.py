"""Who ordered and who ended each freeze."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "freezes",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("now", sa.Integer(), nullable=False),
        sa.Column("by_administrator", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("\"scope\" IN ('all', 'subject', 'target', 'kind')", name="freezes_scope_known"),
        sa.CheckConstraint("id <> ''", name="freezes_id_given"),
        sa.CheckConstraint("(scope = 'all') = (\"of\" = '')", name="freezes_of_given"),
        sa.CheckConstraint("now IN (0, 1)", name="freezes_now_flag"),
        sa.CheckConstraint("by_administrator IN (0, 1)", name="freezes_by_administrator_flag"),
        sa.CheckConstraint("(ended_at IS NOT NULL) = (ended_by IS NOT NULL)", name="freezes_ended"),
    )
    op.create_index("freezes_open", "freezes", ["id"], sqlite_where=sa.text("ended_at IS NULL"))
