"""Queries and writes of rules: their results, and which of them are disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.tables import (
    disabled_rules,
    iterations,
    loops,
    rule_results,
)
from ftl2_enterprise.protocol.loops.nouns import Iteration
from ftl2_enterprise.protocol.loops.rules import RuleFiring, RuleResult
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx

_RULE_RESULTS = Reader(rule_results, RuleResult)

_INSERT = Prepared(insert(rule_results))
_FINISH = Prepared(update(rule_results).where(rule_results.c.id == bindparam("row_id")))
_OF_ITERATION = Prepared(
    _RULE_RESULTS.select().where(rule_results.c.iteration_id == bindparam("of")).order_by(rule_results.c.id)
)
_DISABLED = Prepared(select(disabled_rules.c.name, disabled_rules.c.disabled_by))
_DISABLE = Prepared(insert(disabled_rules))
_ENABLE = Prepared(delete(disabled_rules).where(disabled_rules.c.name == bindparam("given")))


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


def get_disabled_rules(tx: Tx) -> dict[str, str | None]:
    """Names of the disabled rules, with the user that disabled each."""
    return {row[0]: row[1] for row in _DISABLED.rows(tx, {})}


def disable_rule(tx: Tx, name: str) -> bool:
    """Disable the rule; False when it is disabled already."""
    if name in get_disabled_rules(tx):
        return False
    _DISABLE.change(tx, {"name": name, "disabled_by": tx.actor, "disabled_at": tx.now})
    return True


def enable_rule(tx: Tx, name: str) -> bool:
    """Enable the rule; False when it is enabled already."""
    return _ENABLE.change(tx, {"given": name}) > 0


def rules_dirs(tx: Tx) -> list[str]:
    """The rules directories of loops that have their own."""
    named = select(func.json_extract(loops.c.spec, "$.rules_dir")).select_from(loops).distinct()
    return sorted(path for path in tx.connection.execute(named).scalars() if path)


def last_firings(tx: Tx, name: str, *, limit: int = 5) -> list[RuleFiring]:
    """When the rule fired last, in all loops, newest first."""
    query = (
        select(loops.c.name, iterations.c.n, rule_results.c.success, rule_results.c.detail, rule_results.c.created_at)
        .join(loops, loops.c.id == rule_results.c.loop_id)
        .join(iterations, iterations.c.id == rule_results.c.iteration_id)
        .where(rule_results.c.rule_name == name, rule_results.c.fired == literal_column("1"))
        .order_by(rule_results.c.created_at.desc(), rule_results.c.id.desc())
        .limit(limit)
    )
    return [
        RuleFiring(loop=row[0], iteration=row[1], success=row[2], detail=row[3], created_at=row[4])
        for row in tx.connection.execute(query)
    ]


def firings(tx: Tx) -> dict[str, tuple[int, Instant]]:
    """How often each rule has fired, and when it last did."""
    query = (
        select(rule_results.c.rule_name, func.count(), func.max(rule_results.c.created_at))
        .where(rule_results.c.fired == literal_column("1"))
        .group_by(rule_results.c.rule_name)
    )
    return {row[0]: (row[1], row[2]) for row in tx.connection.execute(query)}
