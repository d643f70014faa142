"""Which freeze a loop waits for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0003"
down_revision = "loops_0002"


def upgrade() -> None:
    op.add_column("loops", sa.Column("frozen_by", sa.Text(), nullable=True))
    op.create_index("loops_frozen", "loops", ["id", "frozen_by"], sqlite_where=sa.text("frozen_by IS NOT NULL"))
