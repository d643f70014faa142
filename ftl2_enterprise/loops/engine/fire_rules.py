"""Firing rules: which match, which may fire, and their actions, which are recorded like those of a decision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.loops.engine import execute, foresee, inventory_state, rule_bindings
from ftl2_enterprise.loops.engine.context import Held, unless
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.ports import ModuleResult
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    loops as loop_rows,
    rules as rule_rows,
)
from ftl2_enterprise.loops.rules.order import RuleOutcome, may_fire, next_to_fire
from ftl2_enterprise.loops.units import actions as action_units, rules as rule_units, runs as run_units
from ftl2_enterprise.protocol.loops.decision import ActionSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, Condition, Iteration, IterationOutcome, Loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.observe import ObservedState
    from ftl2_enterprise.loops.rules.rule import Rule, RuleSet
    from ftl2_enterprise.protocol.loops.decision import StateOp
    from ftl2_enterprise.protocol.loops.hosts import Host, Resource
    from ftl2_enterprise.store.tx import Tx


@dataclass(frozen=True, kw_only=True)
class RuleJudgements:
    """The results of evaluating the condition of every rule."""

    matches: Sequence[Rule]
    """Rules whose condition holds, in order of name."""
    unjudged: Sequence[tuple[str, str]]
    """Name and error of each rule whose condition could not be evaluated."""


async def judge(
    engine: LoopContext, iteration: Iteration, rules: RuleSet, view: ObservedState, *, note: bool
) -> RuleJudgements:
    """Evaluate the condition of every rule; with `note`, record the rules whose condition cannot be evaluated."""
    redact = engine.redactor.text
    matches: list[Rule] = []
    unjudged = [(name, "", redact(error)) for name, error in rules.broken.items()]
    known = engine.journal.read(known_state, engine.journal.loop_id) if rules.rules else {}
    for rule in rules.rules:
        state = view.state(rule.name) | known
        judged = await engine.rules.evaluate(rule.file, state, engine.limits.rule_timeout)
        if judged.error is not None:
            unjudged.append((rule.name, rule.digest, redact(judged.error)))
        elif judged.matched:
            matches.append(rule)
    for name, digest, why in unjudged if note else ():
        engine.journal.commit(rule_units.note_rule, iteration, rule=name, digest=digest, matched=False, detail=why)
    return RuleJudgements(matches=matches, unjudged=[(name, why) for name, _, why in unjudged])


def known_state(tx: Tx, loop_id: int) -> dict[str, Any]:
    """The registered hosts and resources of the loop, in the form that rules and deciders read."""
    return state_of(host_rows.get_hosts(tx, loop_id), host_rows.get_resources(tx, loop_id))


def state_of(hosts: Sequence[Host], resources: Sequence[Resource]) -> dict[str, Any]:
    """Hosts and resources under the key that rules and deciders read them from."""
    if not hosts and not resources:
        return {}
    known = {host.name: msgspec.to_builtins(host) for host in hosts}
    return {"_state_file": {"resources": {one.name: one.data for one in resources}, "hosts": known}}


def allowed(engine: LoopContext, iteration: Iteration, matches: Sequence[Rule]) -> list[Rule]:
    """The matching rules that may fire: no rule fires in two consecutive iterations, whatever its condition."""
    if not matches:
        return []
    fired = engine.journal.read(_fired_before, iteration)
    may = may_fire([rule.name for rule in matches], fired)
    for rule in matches:
        if rule.name in may:
            continue
        engine.journal.commit(
            rule_units.note_rule,
            iteration,
            rule=rule.name,
            digest=rule.digest,
            matched=True,
            detail="it fired in the previous iteration and its condition still holds",
        )
    return [rule for rule in matches if rule.name in may]


def _fired_before(tx: Tx, iteration: Iteration) -> set[str]:
    before = loop_rows.get_iterations(tx, iteration.loop_id, before=iteration.n, limit=1, newest=True)
    return {row.rule_name for one in before for row in rule_rows.get_rule_results(tx, one.id) if row.fired}


async def fire(engine: LoopContext, loop: Loop, iteration: Iteration, matches: Sequence[Rule]) -> None:
    """Fire the rules in order until one succeeds, and end the iteration.

    A rule that fails or is denied yields to the next. Raises Held when a freeze holds a call of a rule.
    """
    rules = {rule.name: rule for rule in matches}
    ended: dict[str, RuleOutcome] = {}
    error: str | None = None
    while not engine.stop.requested.is_set() and (name := next_to_fire(list(rules), ended)) is not None:
        # A rule that fired may not fire in the next iteration, so it does not begin in vain.
        if (freeze := engine.frozen()) is not None:
            raise Held(freeze)
        fired = await _fire_one(engine, iteration, rules[name])
        ended[name] = fired.ending
        error = None if fired.ending is RuleOutcome.SUCCEEDED else f"rule {name}: {fired.detail}"
    denied = bool(ended) and set(ended.values()) == {RuleOutcome.DENIED}
    outcome = IterationOutcome.DENIED if denied else IterationOutcome.RULE_FIRED
    rows = engine.journal.read(action_rows.get_actions_for_iteration, iteration.id)
    previewed = any(row.state is ActionState.PREVIEWED for row in rows)
    if engine.spec.dry_run and (error is None or previewed):
        outcome = IterationOutcome.PREVIEWED
    elif previewed:
        outcome = IterationOutcome.DRIFTED
    values: dict[str, Any] = {
        "rule_streak": loop.rule_streak + 1,
        "failed_iterations": loop.failed_iterations + 1 if error else 0,
    }
    if outcome is IterationOutcome.DRIFTED:
        values["condition"] = Condition.DRIFTED
    engine.journal.commit(
        run_units.end_iteration, iteration, engine.journal.generation, outcome, error=error, loop_values=values
    )


@dataclass(frozen=True, kw_only=True)
class _Fired:
    ending: RuleOutcome
    """Denied means that policy denied every call of the rule, so nothing changed."""
    detail: str


async def _fire_one(engine: LoopContext, iteration: Iteration, rule: Rule) -> _Fired:
    row = engine.journal.commit(
        rule_units.begin_rule, iteration, engine.journal.generation, rule=rule.name, digest=rule.digest
    )
    reach(LoopFaultPoint.RULE_MATCHED)
    calls = _FiringCalls(engine, iteration, rule)
    targets = rule_bindings.targets(engine, rule)
    state = engine.journal.read(known_state, engine.journal.loop_id)
    problem = await unless(engine.stop.now.wait(), engine.rules.act(rule.file, state, targets, calls))
    await calls.close()
    bad = [result.error or "failed" for result in calls.results if not result.success]
    if problem is None:
        problem = "stopped while it ran"
    success = not problem and not bad
    detail = problem or "; ".join(bad) or ("dry run" if engine.spec.dry_run else "ok")
    detail = engine.redactor.text(detail)
    engine.journal.commit(rule_units.end_rule, iteration, row, rule=rule.name, success=success, detail=detail)
    reach(LoopFaultPoint.RULE_FIRED)
    for result in calls.results:
        if result.frozen is not None:
            raise Held(result.frozen)
    if success:
        return _Fired(ending=RuleOutcome.SUCCEEDED, detail=detail)
    everything_denied = calls.denied > 0 and calls.denied == len(calls.results)
    return _Fired(ending=RuleOutcome.DENIED if everything_denied else RuleOutcome.FAILED, detail=detail)


class _FiringCalls:
    """What one firing of a rule asks for: actions with intent and result, subject to policy and dry run, and state
    operations.
    """

    def __init__(self, engine: LoopContext, iteration: Iteration, rule: Rule) -> None:
        self._engine = engine
        self._iteration = iteration
        self._rule = rule
        self._numbers = count(1)
        self._running: set[asyncio.Task[Any]] = set()
        self._ended: bool = False
        self.results: list[ModuleResult] = []
        self.denied: int = 0

    async def perform(self, module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, ModuleResult]]:
        """Results by host, in inventory order."""
        if self._ended:
            raise RuntimeError(f"cannot call {module}: the rule has ended")
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await self._perform(module, params, host)
        except asyncio.CancelledError:
            self.results.append(ModuleResult(success=False, error=f"{module} was cancelled while it ran"))
            raise
        finally:
            self._running.discard(task)

    def change(self, op: StateOp) -> None:
        """Apply the state operation, unless this is a dry run."""
        why = rule_bindings.why_refused(self._engine, self._rule, op)
        inventory_state.apply_now(self._engine, self._iteration, op, refused=why)

    async def close(self) -> None:
        """Cancel calls that the rule started and did not wait for, so that none outlives its iteration."""
        self._ended = True
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _perform(self, module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, ModuleResult]]:
        engine = self._engine
        n = next(self._numbers)
        spec = [ActionSpec(module=module, params=params, host=host)]
        planned = execute.plan(engine, spec, origin=f"rule:{self._rule.name}", first=n)
        planned = rule_bindings.deny_others(engine, self._rule, planned)
        rows = await foresee.previewed(engine, planned, [params] * len(planned))
        ids = engine.journal.commit(action_units.propose_actions, self._iteration, rows)
        reach(LoopFaultPoint.RULE_ACTION_STARTED)
        todo = execute.runnable(engine, spec, rows, ids, first=n)
        ran = iter([
            result
            for some in execute.batches(engine, todo)
            for result in (
                await execute.run_batch(engine, self._iteration, some, of=n)
                or [ModuleResult(success=False, error=run_units.SUPERSEDED)] * len(some)
            )
        ])  # fmt: skip
        results: list[tuple[str, ModuleResult]] = []
        for row in rows:
            result = next(ran) if row.event is None else _settled(row)
            self.denied += row.event is ActionEvent.DENIED or result.denied
            results.append((row.host, result))
        self.results.extend(result for _, result in results)
        return results


def _settled(row: action_units.NewAction) -> ModuleResult:
    if row.event is ActionEvent.PREVIEWED:
        return ModuleResult(success=True, output={"dry_run": True})
    return ModuleResult(success=False, error=row.reason)
