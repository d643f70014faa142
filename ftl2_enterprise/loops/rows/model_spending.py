"""Sums of what model calls have reserved and spent, and the budgets that they are compared with.

The sums are written in the transaction of each call, so that a budget is checked without adding up calls.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ftl2_enterprise.gate.budgets import Amount, Budget, Limit, day_of, micro
from ftl2_enterprise.loops.tables import model_spending
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec
    from ftl2_enterprise.store.tx import Tx

OF_LOOP = "of this loop"
OF_DAY = "of all loops for today (UTC)"
"""The names of the budgets in sentences."""
_TABLE = model_spending.c
_OF = Prepared(
    select(_TABLE.cost, _TABLE.tokens, _TABLE.raised_cost, _TABLE.raised_tokens, _TABLE.overruns).where(
        _TABLE.scope == bindparam("of")
    )
)
_BEGIN = Prepared(insert(model_spending))
_DELETE = Prepared(delete(model_spending).where(_TABLE.scope == bindparam("of")))


def scope_of_loop(loop_id: int) -> str:
    """The scope of the sum of one loop."""
    return f"loop:{loop_id}"


def scope_of_day(day: int) -> str:
    """The scope of the sum of all loops on one day, in days since 1970-01-01 (UTC)."""
    return f"day:{day}"


def budgets(tx: Tx, loop_id: int, spec: LoopSpec, daily: Limit) -> list[Budget]:
    """The budgets that a call of the loop has to fit into now: that of the loop, then that of the day."""
    cost, tokens, _, _, overruns = _read(tx, scope_of_loop(loop_id))
    own = Limit(None if spec.max_cost is None else micro(spec.max_cost), spec.max_tokens)
    of_loop = Budget(name=OF_LOOP, limit=own, counted=Amount(cost, tokens), overruns=overruns)
    if daily.is_none:
        return [of_loop]
    cost, tokens, raised_cost, raised_tokens, overruns = _read(tx, scope_of_day(day_of(tx.now)))
    raised = daily.raised(Amount(raised_cost, raised_tokens))
    return [of_loop, Budget(name=OF_DAY, limit=raised, counted=Amount(cost, tokens), overruns=overruns)]


def without(budgets: list[Budget], reserved: Amount) -> list[Budget]:
    """The budgets as they are if calls of other loops return all that they have reserved."""
    return [
        msgspec.structs.replace(one, counted=one.counted - reserved) if one.name == OF_DAY else one for one in budgets
    ]


def counted(tx: Tx, scope: str) -> Amount:
    """What is reserved and spent in the scope."""
    cost, tokens, *_ = _read(tx, scope)
    return Amount(cost, tokens)


def count(tx: Tx, loop_id: int, day: int, amount: Amount, *, overruns: int = 0) -> None:
    """Add what a call of the loop on that day has reserved, or the difference to what it has used."""
    for scope in (scope_of_loop(loop_id), scope_of_day(day)):
        _add(tx, scope, cost=amount.cost, tokens=amount.tokens, overruns=overruns)


def raise_day(tx: Tx, day: int, by: Amount) -> None:
    """Raise the limit of one day, and accept calls of it that used more than they had reserved."""
    scope = scope_of_day(day)
    _add(tx, scope, raised_cost=by.cost, raised_tokens=by.tokens, overruns=-_read(tx, scope)[4])


def accept_overruns(tx: Tx, loop_id: int) -> None:
    """Continue with the budget of a loop although calls of it used more than they had reserved."""
    scope = scope_of_loop(loop_id)
    _add(tx, scope, overruns=-_read(tx, scope)[4])


def forget_loop(tx: Tx, loop_id: int) -> None:
    """Delete the sum of a loop; what it has spent stays in the sums of the days."""
    _DELETE.change(tx, {"of": scope_of_loop(loop_id)})


def _read(tx: Tx, scope: str) -> tuple[int, ...]:
    return _OF.first(tx, {"of": scope}) or (0, 0, 0, 0, 0)


def _add(tx: Tx, scope: str, **amounts: int) -> None:
    amounts = {name: amount for name, amount in amounts.items() if amount}
    if not amounts:
        return
    by = {f"by_{name}": amount for name, amount in amounts.items()}
    if _sum(*amounts).change(tx, {"of": scope, **by}) != 1:
        _BEGIN.change(tx, {"scope": scope, **amounts})


@cache
def _sum(*names: str) -> Prepared:
    sums = {name: _TABLE[name] + bindparam(f"by_{name}") for name in names}
    return Prepared(update(model_spending).where(_TABLE.scope == bindparam("of")).values(sums))
