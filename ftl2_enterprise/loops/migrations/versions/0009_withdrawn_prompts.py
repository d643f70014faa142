"""Why a prompt was closed although no person dismissed it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0009"
down_revision = "loops_0008"


def upgrade() -> None:
    op.add_column("prompts", sa.Column("withdrawn", sa.Text(), nullable=True))
