"""Units of work about rules; see `units.runs`."""

from __future__ import annotations

from ftl2_enterprise.loops.rows import loops as loop_rows, rules as rule_rows
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import RuleBroken, RuleFired, RuleMatched, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Iteration, IterationState
from ftl2_enterprise.store.events import short
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def begin_rule(tx: Tx, iteration: Iteration, generation: int, *, rule: str, digest: str) -> int:
    """Record that a rule's condition holds and that its action is about to run; returns the id of the rule result."""
    if loop_rows.get_iteration(tx, iteration.id).state is IterationState.OBSERVING:
        line = f"rule {rule}: its condition holds"
        run_units.record_decision(
            tx, iteration, generation, Decision(reasoning=line, unmet=[line]), by=f"rule:{rule}", actions=[]
        )
    tx.emit(RuleMatched(iteration_id=iteration.id, rule=rule), subject=loop_subject(iteration.loop_id))
    return rule_rows.insert_rule_result(
        tx, iteration, rule_name=rule, rule_digest=digest, matched=True, fired=True, success=None, detail=None
    )


@unit
def note_rule(tx: Tx, iteration: Iteration, *, rule: str, digest: str, matched: bool, detail: str) -> None:
    """Record a rule that matched but may not fire, or whose condition could not be evaluated."""
    rule_rows.insert_rule_result(
        tx,
        iteration,
        rule_name=rule,
        rule_digest=digest,
        matched=matched,
        fired=False,
        success=None,
        detail=short(detail),
    )
    if not matched:
        broken = RuleBroken(iteration_id=iteration.id, rule=rule, error=detail)
        tx.emit(broken, subject=loop_subject(iteration.loop_id))


@unit
def end_rule(tx: Tx, iteration: Iteration, result_id: int, *, rule: str, success: bool, detail: str) -> None:
    """Record how the rule's action ended."""
    rule_rows.update_rule_result(tx, result_id, success=success, detail=short(detail))
    fired = RuleFired(iteration_id=iteration.id, rule=rule, success=success, detail=detail)
    tx.emit(fired, subject=loop_subject(iteration.loop_id))
