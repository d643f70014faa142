"""Units of work about the budgets of model calls: what a person decided when one had no room for the next call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from ftl2_enterprise.gate.budgets import MICRO, Amount
from ftl2_enterprise.loops.rows import loops as loop_rows, model_spending
from ftl2_enterprise.protocol.loops.facts import DayRaised, LoopLimitsChanged, loop_subject
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

DAY = 86_400
"""Seconds."""


@unit
def raise_loop(tx: Tx, loop_id: int, generation: int, amount: Amount, *, by: str | None) -> None:
    """Raise the limits of the loop that it has, and accept calls that used more than they had reserved."""
    spec = loop_rows.get_loop(tx, loop_id).spec
    limits: dict[str, Any] = {}
    if amount.cost and spec.max_cost is not None:
        limits["max_cost"] = round(spec.max_cost + amount.cost / MICRO, 6)
    if amount.tokens and spec.max_tokens is not None:
        limits["max_tokens"] = spec.max_tokens + amount.tokens
    _change(tx, loop_id, generation, limits, by=by)
    model_spending.accept_overruns(tx, loop_id)


@unit
def raise_day(tx: Tx, loop_id: int, day: int, amount: Amount, *, by: str | None) -> None:
    """Raise the limit of all loops for one day, as a person decided when the loop asked."""
    model_spending.raise_day(tx, day, amount)
    shown = datetime.fromtimestamp(day * DAY, UTC).date().isoformat()
    fact = DayRaised(day=shown, cost_usd=amount.cost / MICRO, tokens=amount.tokens)
    tx.emit(fact, subject=loop_subject(loop_id), actor=by)


@unit
def leave_out_model(tx: Tx, loop_id: int, generation: int, *, by: str | None) -> None:
    """Let the loop continue with its recorded check and its rules only, until a person starts it again."""
    _change(tx, loop_id, generation, {"without_model": True}, by=by)


def _change(tx: Tx, loop_id: int, generation: int, limits: dict[str, Any], *, by: str | None) -> None:
    spec = loop_rows.get_loop(tx, loop_id).spec
    loop_rows.update_loop(tx, loop_id, generation, spec=msgspec.structs.replace(spec, **limits))
    tx.emit(LoopLimitsChanged(**limits), subject=loop_subject(loop_id), actor=by)
