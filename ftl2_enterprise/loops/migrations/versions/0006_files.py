"""Files that were sent with a desired state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0006"
down_revision = "loops_0005"


def upgrade() -> None:
    op.create_table(
        "loop_files",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), sa.ForeignKey("texts.digest"), nullable=False),
        sa.UniqueConstraint("loop_id", "path", name="loop_files_once"),
        sa.CheckConstraint("substr(path, 1, 1) = '/'", name="loop_files_path_absolute"),
        sqlite_autoincrement=True,
    )
    op.create_index("loop_files_content_texts", "loop_files", ["content_digest"])
