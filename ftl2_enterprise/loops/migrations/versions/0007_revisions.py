"""The revisions of desired states. Each loop begins with the one that it was submitted with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0007"
down_revision = "loops_0006"

_ORDERED = (
    "id", "state", "desired", "priority", "created_at", "next_run_at", "restart_at", "open_prompts", "updated_at",
    "managed", "ended_at", "revision", "taken_revision",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "loop_revisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.UniqueConstraint("loop_id", "n", name="loop_revisions_loop_n"),
        sa.CheckConstraint("n >= 1", name="loop_revisions_n_from_1"),
        sa.CheckConstraint("restores BETWEEN 1 AND n - 1", name="loop_revisions_restores_earlier"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO loop_revisions (loop_id, n, created_at, created_by, spec) "
        "SELECT id, 1, created_at, submitted_by, spec FROM loops"
    )
    op.add_column("loops", sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("loops", sa.Column("taken_revision", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("iterations", sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.drop_index("loops_managed", "loops")
    op.create_index(
        "loops_managed", "loops", list(_ORDERED), sqlite_where=sa.text("managed = 1 AND ended_at IS NULL")
    )
    op.drop_index("loop_files_content_texts", "loop_files")
    op.rename_table("loop_files", "loop_files_before")
    op.create_table(
        "loop_files",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("revision_id", sa.Integer(), sa.ForeignKey("loop_revisions.id"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), sa.ForeignKey("texts.digest"), nullable=False),
        sa.UniqueConstraint("revision_id", "path", name="loop_files_once"),
        sa.CheckConstraint("substr(path, 1, 1) = '/'", name="loop_files_path_absolute"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO loop_files (id, loop_id, revision_id, path, content_digest) "
        "SELECT f.id, f.loop_id, r.id, f.path, f.content_digest "
        "FROM loop_files_before f JOIN loop_revisions r ON r.loop_id = f.loop_id"
    )
    op.drop_table("loop_files_before")
    op.create_index("loop_files_content_texts", "loop_files", ["content_digest"])
    op.create_index("loop_files_by_loop", "loop_files", ["loop_id"])
