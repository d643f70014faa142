"""Who dismissed a prompt, and who submitted or changed the loop of a request for approval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0010"
down_revision = "loops_0009"


def upgrade() -> None:
    op.add_column("prompts", sa.Column("dismissed_by", sa.Text(), nullable=True))
    op.add_column("approvals", sa.Column("authors", sa.Text(), server_default=sa.text("'[]'"), nullable=False))
