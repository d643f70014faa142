"""An event has a subject, `loop:17`, instead of a column for each noun that it may be about.

The table is made anew in one pass over its rows. What was the column `iteration_id` becomes a field of the data.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COPY = """
INSERT INTO events_new (id, at, kind, subject, actor, data)
SELECT
    id,
    at,
    kind,
    CASE WHEN loop_id IS NULL THEN '' ELSE 'loop:' || loop_id END,
    actor,
    CASE
        WHEN iteration_id IS NULL THEN data
        WHEN data = '{}' THEN '{"iteration_id":' || iteration_id || '}'
        WHEN substr(data, 1, 2) = '{"' THEN '{"iteration_id":' || iteration_id || ',' || substr(data, 2)
        ELSE data
    END
FROM events ORDER BY id
"""
_COLUMNS = ["id", "at", "kind", "loop_id", "iteration_id", "actor", "data"]
_TRIGGERS = {
    "events_never_change": "UPDATE",
    "events_never_go": "DELETE",
}


def upgrade() -> None:
    found = op.get_bind().execute(sa.text("SELECT name FROM pragma_table_info('events') ORDER BY cid"))
    if list(found.scalars()) != _COLUMNS:
        raise RuntimeError("the table events has other columns than it was made with")
    op.create_table(
        "events_new",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
    )
    # Text functions instead of those for JSON: a large log has millions of rows, and data is what the program wrote.
    op.execute(_COPY)
    # Its triggers and its index go with it.
    op.drop_table("events")
    op.rename_table("events_new", "events")
    op.create_index("events_by_subject", "events", ["subject", "id"])
    for name, change in _TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {change} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )
