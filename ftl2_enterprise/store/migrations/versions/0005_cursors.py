"""How far readers of the event log have come, whose work is in the database too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "cursors",
        sa.Column("reader", sa.Text(), primary_key=True, nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
    )
