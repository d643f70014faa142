"""The step of a manifest to which an action belongs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0005"
down_revision = "loops_0004"


def upgrade() -> None:
    op.add_column("actions", sa.Column("step", sa.Text(), nullable=True))
    op.add_column("actions", sa.Column("part", sa.Integer(), server_default=sa.text("0"), nullable=False))
