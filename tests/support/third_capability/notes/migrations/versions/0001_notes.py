"""The table of notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "notes_0001"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("text_digest", sa.Text(), sa.ForeignKey("texts.digest"), nullable=True),
        sa.Column("text_size", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sqlite_autoincrement=True,
    )
    op.create_index("notes_text_texts", "notes", ["text_digest"], sqlite_where=sa.column("text_digest").is_not(None))
