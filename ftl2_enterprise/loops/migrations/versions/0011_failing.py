"""The loops that rest after a run that did not converge, for counting them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0011"
down_revision = "loops_0010"


def upgrade() -> None:
    op.create_index(
        "loops_failing",
        "loops",
        ["id"],
        sqlite_where=sa.text("state = 'resting' AND reason <> '' AND frozen_by IS NULL"),
    )
