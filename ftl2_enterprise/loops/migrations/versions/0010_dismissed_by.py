"""Who dismissed a prompt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0010"
down_revision = "loops_0009"


def upgrade() -> None:
    op.add_column("prompts", sa.Column("dismissed_by", sa.Text(), nullable=True))
