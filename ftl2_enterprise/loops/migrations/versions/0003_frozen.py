"""Which freeze a loop waits for; what an action would change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0003"
down_revision = "loops_0002"


def upgrade() -> None:
    op.add_column("loops", sa.Column("frozen_by", sa.Text(), nullable=True))
    op.create_index("loops_frozen", "loops", ["id", "frozen_by"], sqlite_where=sa.text("frozen_by IS NOT NULL"))
    op.execute("ALTER TABLE actions ADD COLUMN diff TEXT DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE actions ADD COLUMN diff_digest TEXT REFERENCES texts (digest)")
    op.execute("ALTER TABLE actions ADD COLUMN diff_size INTEGER DEFAULT 0 NOT NULL")
    op.create_index("actions_diff_texts", "actions", ["diff_digest"], sqlite_where=sa.text("diff_digest IS NOT NULL"))
