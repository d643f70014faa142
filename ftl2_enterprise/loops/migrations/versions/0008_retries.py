"""What a loop waits for before it repeats something, and the outcome of an iteration that only led to that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ftl2_enterprise.store.migrations.table_text import replace_in_tables

revision = "loops_0008"
down_revision = "loops_0007"


def upgrade() -> None:
    op.add_column("loops", sa.Column("retry", sa.Text(), nullable=True))
    replace_in_tables({"iterations": {"'observed', 'asked'": "'observed', 'delayed', 'asked'"}})
