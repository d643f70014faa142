"""Whether the answer to a prompt is a secret."""

from __future__ import annotations

from alembic import op

from ftl2_enterprise.store.migrations.table_text import replace_in_tables

revision = "loops_0004"
down_revision = "loops_0003"

_SECRET = "secret INTEGER DEFAULT 0 NOT NULL"
_REPLACED = {
    "\tCONSTRAINT prompts_answered CHECK": (
        "\tCONSTRAINT prompts_secret_flag CHECK (secret IN (0, 1)), \n\tCONSTRAINT prompts_answered CHECK"
    ),
    f", {_SECRET}": f", \n\t{_SECRET}",
}


def upgrade() -> None:
    op.execute(f"ALTER TABLE prompts ADD COLUMN {_SECRET}")
    replace_in_tables({"prompts": _REPLACED})
