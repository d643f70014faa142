"""What model calls reserve and spend, who waits for a call, and the circuit breakers of providers.

What loops and days have spent before is counted from the calls that are stored; the usage of a call that was
interrupted was not stored then, so it counts as free, as it did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "loops_0001"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "model_reservations",
        sa.Column("call_id", sa.Integer(), sa.ForeignKey("model_calls.id"), primary_key=True, nullable=False),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        _count("reserved_cost"),
        _count("reserved_tokens"),
        sa.Column("settled_cost", sa.Integer(), nullable=True),
        sa.Column("settled_tokens", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.CheckConstraint("min(reserved_cost, reserved_tokens) >= 0", name="model_reservations_amounts"),
        sa.CheckConstraint("settled_cost >= 0 AND settled_tokens >= 0", name="model_reservations_no_refunds"),
        sa.CheckConstraint(
            "ended_at IS NOT NULL OR (settled_cost IS NULL AND settled_tokens IS NULL)",
            name="model_reservations_settled_at_end",
        ),
    )
    op.create_index("model_reservations_by_loop", "model_reservations", ["loop_id"])
    op.create_index("model_reservations_started", "model_reservations", ["provider", "started_at"])
    op.create_index(
        "model_reservations_open",
        "model_reservations",
        ["provider", "loop_id", "generation", "ended_at"],
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "model_spending",
        sa.Column("scope", sa.Text(), primary_key=True, nullable=False),
        *(_count(name) for name in ("cost", "tokens", "raised_cost", "raised_tokens", "overruns")),
        sa.CheckConstraint("scope <> ''", name="model_spending_scope_given"),
        sa.CheckConstraint(
            "min(cost, tokens, raised_cost, raised_tokens, overruns) >= 0", name="model_spending_amounts"
        ),
    )
    _waits()
    _providers()
    for scope, of in (("'loop:' || loop_id", "loop_id"), ("'day:' || day", "day")):
        op.execute(
            f"INSERT INTO model_spending (scope, cost, tokens) SELECT {scope}, "
            "sum(CAST(coalesce(cost_usd, 0) * 1000000 + 0.999 AS INTEGER)), "
            "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) "
            f"FROM (SELECT *, started_at / 86400000000 AS day FROM model_calls) GROUP BY {of}"
        )


def _waits() -> None:
    op.create_table(
        "model_waits",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("queued_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("loop_id", name="model_waits_loop"),
        sa.CheckConstraint(
            "\"reason\" IN ('places', 'rate', 'retry_after', 'unavailable', 'probe')", name="model_waits_reason_known"
        ),
        sa.CheckConstraint("places >= 1", name="model_waits_places_from_1"),
        sqlite_autoincrement=True,
    )
    op.create_index("model_waits_by_provider", "model_waits", ["provider", "id"])


def _providers() -> None:
    op.create_table(
        "model_providers",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _count("failures"),
        _count("openings"),
        sa.Column("retry_at", sa.Integer(), nullable=True),
        sa.Column("not_before", sa.Integer(), nullable=True),
        sa.Column("probe", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("name", name="model_providers_name"),
        sa.CheckConstraint("\"state\" IN ('closed', 'open', 'half_open')", name="model_providers_state_known"),
        sa.CheckConstraint("min(failures, openings) >= 0", name="model_providers_counts"),
        sa.CheckConstraint("(state = 'open') <= (retry_at IS NOT NULL)", name="model_providers_open_until"),
        sa.CheckConstraint("(state = 'half_open') = (probe IS NOT NULL)", name="model_providers_one_probe"),
        sqlite_autoincrement=True,
    )


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
