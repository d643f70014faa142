"""What a loop waits for before it repeats something, the outcome of an iteration that only led to that, and what is
left out.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ftl2_enterprise.store.migrations.table_text import replace_in_tables

revision = "loops_0008"
down_revision = "loops_0007"


def upgrade() -> None:
    op.add_column("loops", sa.Column("retry", sa.Text(), nullable=True))
    op.add_column("loops", sa.Column("left_out", sa.Text(), server_default=sa.text("'[]'"), nullable=False))
    op.create_index(
        "loops_notes",
        "loops",
        ["id", "retry", "left_out"],
        sqlite_where=sa.text("retry IS NOT NULL OR left_out <> '[]'"),
    )
    replace_in_tables({"iterations": {"'observed', 'asked'": "'observed', 'delayed', 'asked'"}})
