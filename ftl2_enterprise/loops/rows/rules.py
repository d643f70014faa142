"""Queries and writes of rule results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.tables import rule_results
from ftl2_enterprise.protocol.loops.nouns import Iteration, RuleResult
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx

_RULE_RESULTS = Reader(rule_results, RuleResult)

_INSERT = Prepared(insert(rule_results))
_FINISH = Prepared(update(rule_results).where(rule_results.c.id == bindparam("row_id")))
_OF_ITERATION = Prepared(
    _RULE_RESULTS.select().where(rule_results.c.iteration_id == bindparam("of")).order_by(rule_results.c.id)
)


def insert_rule_result(
    tx: Tx,
    iteration: Iteration,
    *,
    rule_name: str,
    rule_digest: str,
    matched: bool,
    fired: bool,
    success: bool | None,
    detail: str | None,
) -> int:
    """Record that a rule matched, is about to fire, or could not be evaluated; returns the id of the result."""
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "rule_name": rule_name,
        "rule_digest": rule_digest,
        "matched": matched,
        "fired": fired,
        "success": success,
        "detail": detail,
        "created_at": tx.now,
    }
    return _INSERT.insert(tx, row)


def update_rule_result(tx: Tx, rule_result_id: int, *, success: bool | None, detail: str | None) -> None:
    """Record how the firing of a rule ended. Raises Problem(not_found)."""
    if _FINISH.change(tx, {"row_id": rule_result_id, "success": success, "detail": detail}) != 1:
        raise problem.not_found(f"cannot find the rule result {rule_result_id}")


def get_rule_results(tx: Tx, iteration_id: int) -> list[RuleResult]:
    """The rule results of an iteration, in order."""
    return _RULE_RESULTS.all(_OF_ITERATION.rows(tx, {"of": iteration_id}))


def get_rule_results_for_loop(
    tx: Tx, loop_id: int, *, before: int | None = None, limit: int = 100
) -> list[RuleResult]:
    """A page of a loop's rule results with ids below `before`, newest first."""
    query = (
        _RULE_RESULTS.select()
        .where(rule_results.c.loop_id == loop_id)
        .order_by(rule_results.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(rule_results.c.id < before)
    return _RULE_RESULTS.all(tx.connection.execute(query))
