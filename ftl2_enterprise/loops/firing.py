"""Rules at work: which match, which may fire, and the firing itself, recorded like everything else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.loops import acting, registering, store, store_hosts, store_rules, units
from ftl2_enterprise.loops.engine import unless
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.ports import Result
from ftl2_enterprise.loops.rule_order import Ending, may_fire, next_to_fire
from ftl2_enterprise.loops.rules import Rule, RuleFacade, RuleSet, evaluate
from ftl2_enterprise.protocol.loops import ActionSpec, Iteration, IterationOutcome, Loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine import Engine
    from ftl2_enterprise.loops.observing import View
    from ftl2_enterprise.store.tx import Tx


async def matching(engine: Engine, iteration: Iteration, rules: RuleSet, view: View, *, note: bool) -> list[Rule]:
    """Every rule whose condition holds, in order; with `note`, conditions that cannot be evaluated are recorded."""
    matches: list[Rule] = []
    if note:
        for name, error in rules.broken.items():
            engine.journal.commit(
                units.note_rule, iteration, rule=name, digest="", matched=False, detail=engine.redactor.text(error)
            )
    known = engine.journal.read(known_state, engine.journal.loop_id) if rules.rules else {}
    for rule in rules.rules:
        judged = await evaluate(rule, view.state(rule.name) | known, engine.limits.rule_timeout)
        if judged.error is not None:
            if note:
                detail = engine.redactor.text(judged.error)
                engine.journal.commit(
                    units.note_rule, iteration, rule=rule.name, digest=rule.digest, matched=False, detail=detail
                )
        elif judged.matched:
            matches.append(rule)
    return matches


def known_state(tx: Tx, loop_id: int) -> dict[str, Any]:
    """What the loop remembers of hosts and resources, under the name by which rules and deciders know it."""
    hosts = {host.name: msgspec.to_builtins(host) for host in store_hosts.get_hosts(tx, loop_id)}
    resources = {one.name: one.data for one in store_hosts.get_resources(tx, loop_id)}
    return {"_state_file": {"resources": resources, "hosts": hosts}} if hosts or resources else {}


def allowed(engine: Engine, loop: Loop, iteration: Iteration, matches: Sequence[Rule]) -> list[Rule]:
    """The matches that may fire: a rule never fires in two iterations in a row, whatever its condition says."""
    if not matches:
        return []
    fired = engine.journal.read(_fired_before, loop, iteration)
    may = may_fire([rule.name for rule in matches], fired)
    for rule in matches:
        if rule.name in may:
            continue
        engine.journal.commit(
            units.note_rule,
            iteration,
            rule=rule.name,
            digest=rule.digest,
            matched=True,
            detail="it fired in the iteration before and its condition still holds",
        )
    return [rule for rule in matches if rule.name in may]


def _fired_before(tx: Tx, loop: Loop, iteration: Iteration) -> set[str]:
    before = [one for one in store.iterations_of_run(tx, loop.id, iteration.run) if one.n < iteration.n]
    if not before:
        return set()
    return {row.rule_name for row in store_rules.get_rule_results(tx, before[-1].id) if row.fired}


async def fire(engine: Engine, loop: Loop, iteration: Iteration, matches: Sequence[Rule]) -> None:
    """Fire the first rule that can; one that fails or is denied gives way to the next. Ends the iteration."""
    rules = {rule.name: rule for rule in matches}
    ended: dict[str, Ending] = {}
    error: str | None = None
    while not engine.stop.requested.is_set() and (name := next_to_fire(list(rules), ended)) is not None:
        fired = await _fire_one(engine, iteration, rules[name])
        ended[name] = fired.ending
        error = None if fired.ending is Ending.SUCCEEDED else f"rule {name}: {fired.detail}"
    denied = bool(ended) and set(ended.values()) == {Ending.DENIED}
    outcome = IterationOutcome.DENIED if denied else IterationOutcome.RULE_FIRED
    if engine.spec.dry_run and not denied:
        outcome = IterationOutcome.PREVIEWED
    values = {"rule_streak": loop.rule_streak + 1, "failed_iterations": loop.failed_iterations + 1 if error else 0}
    engine.journal.commit(
        units.end_iteration, iteration, engine.journal.generation, outcome, error=error, loop_values=values
    )


@dataclass(frozen=True, kw_only=True)
class _Fired:
    ending: Ending
    """Denied: policy forbade everything that the rule tried, so that nothing was changed."""
    detail: str


async def _fire_one(engine: Engine, iteration: Iteration, rule: Rule) -> _Fired:
    row = engine.journal.commit(
        units.begin_rule, iteration, engine.journal.generation, rule=rule.name, digest=rule.digest
    )
    reach(FaultPoint.RULE_MATCHED)
    calls = _Calls(engine, iteration, rule.name)
    entries = engine.modules.hosts()
    facade = RuleFacade(
        calls.perform,
        state=engine.journal.read(known_state, engine.journal.loop_id),
        targets=[name for entry in entries for name in (entry.name, *entry.groups)],
        apply=lambda op: registering.apply_now(engine, iteration, [op]),
    )
    problem = await _run(engine, rule, facade)
    bad = [result.error or "failed" for result in calls.results if not result.success]
    detail = "dry run" if engine.spec.dry_run and problem is None and not bad else problem or "; ".join(bad) or "ok"
    success = problem is None and not bad
    detail = engine.redactor.text(detail)
    engine.journal.commit(units.end_rule, iteration, row, rule=rule.name, success=success, detail=detail)
    reach(FaultPoint.RULE_FIRED)
    if success:
        return _Fired(ending=Ending.SUCCEEDED, detail=detail)
    everything_denied = calls.denied > 0 and calls.denied == len(calls.results)
    return _Fired(ending=Ending.DENIED if everything_denied else Ending.FAILED, detail=detail)


async def _run(engine: Engine, rule: Rule, facade: RuleFacade) -> str | None:
    """Run the rule's action; what went wrong, or None."""
    try:
        ended = await unless(engine.stop.now.wait(), _ended(rule, facade))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if ended else "stopped while it ran"


async def _ended(rule: Rule, facade: RuleFacade) -> bool:
    await rule.action(facade)
    return True


class _Calls:
    """The module calls of one firing: each is an action with policy, dry run, intent and outcome."""

    def __init__(self, engine: Engine, iteration: Iteration, rule: str) -> None:
        self._engine = engine
        self._iteration = iteration
        self._origin = f"rule:{rule}"
        self._numbers = count(1)
        self.results: list[Result] = []
        self.denied: int = 0

    async def perform(self, module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, Result]]:
        """Results by host, in inventory order."""
        engine = self._engine
        n = next(self._numbers)
        spec = [ActionSpec(module=module, params=params, host=host)]
        rows = acting.plan(engine, spec, origin=self._origin, first=n)
        ids = engine.journal.commit(units.propose_actions, self._iteration, rows)
        reach(FaultPoint.RULE_ACTION_STARTED)
        todo = acting.runnable(spec, rows, ids, first=n)
        done = await acting.run_step(engine, self._iteration, todo, of=n) if todo else []
        ran = iter(done)
        results: list[tuple[str, Result]] = []
        for row in rows:
            result = next(ran) if row.event is None else _settled(row)
            self.denied += row.event is ActionEvent.DENIED
            results.append((row.host, result))
        self.results.extend(result for _, result in results)
        return results


def _settled(row: units.NewAction) -> Result:
    if row.event is ActionEvent.PREVIEWED:
        return Result(success=True, output={"dry_run": True})
    return Result(success=False, error=row.reason)
