"""Queries and writes of rule results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops.rows import (
    rules as rule_rows,
)
from tests.support.data.database import begun_iteration

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_rule_results_are_stored(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        fired = rule_rows.insert_rule_result(
            tx, iteration, rule_name="a", rule_digest="d", matched=True, fired=True, success=None, detail=None
        )
        rule_rows.insert_rule_result(
            tx, iteration, rule_name="b", rule_digest="d", matched=False, fired=False, success=False, detail="broken"
        )
        rule_rows.update_rule_result(tx, fired, success=True, detail="ok")
        found = rule_rows.get_rule_results(tx, iteration.id)
        assert [(r.rule_name, r.fired, r.success, r.detail) for r in found] == [
            ("a", True, True, "ok"),
            ("b", False, False, "broken"),
        ]
        assert rule_rows.get_rule_results_for_loop(tx, iteration.loop_id, limit=1) == found[1:]
        assert rule_rows.get_rule_results_for_loop(tx, iteration.loop_id, before=found[1].id) == found[:1]
