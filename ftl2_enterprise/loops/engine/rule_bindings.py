"""Bindings of rules: which apply to this loop, and which hosts each may reach.

They are compared here, in the loop's process: the process that executes rules is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.loops.engine import inventory_state, observe
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rules.scope import RuleScope
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.rules.rule import Rule, RuleSet
    from ftl2_enterprise.loops.units.actions import NewAction
    from ftl2_enterprise.protocol.loops.decision import StateOp
    from ftl2_enterprise.protocol.loops.nouns import Observation


def scope(engine: LoopContext) -> RuleScope:
    """The loop, as bindings of rules are compared with it."""
    return RuleScope(
        loop=engine.spec.name,
        labels=engine.spec.labels,
        directory=engine.modules,
        registered=lambda: inventory_state.registered(engine),
    )


async def load(engine: LoopContext) -> RuleSet:
    """The rules that apply to this loop now."""
    return await engine.load_rules(scope(engine))


def plan_observations(
    engine: LoopContext,
    rules: RuleSet,
    requested: Sequence[observe.RequestedObservation],
    have: Sequence[tuple[Observation, str]] = (),
) -> list[observe.PlannedObservation]:
    """The requested observations, one for each host; those of a rule on other hosts than its own are denied."""
    by_origin = {f"rule:{rule.name}": rule for rule in rules.rules if rule.applies_to.hosts is not None}
    planned = observe.plan(engine, requested, have)
    if not by_origin:
        return planned
    here = scope(engine)
    return [
        one
        if (rule := by_origin.get(one.row.origin)) is None or here.covers(rule.applies_to, one.row.host)
        else msgspec.structs.replace(
            one,
            row=msgspec.structs.replace(one.row, refused=not_its_host(rule, one.row.host), denied=True),
            call=None,
        )
        for one in planned
    ]


def deny_others(engine: LoopContext, rule: Rule, rows: Sequence[NewAction]) -> list[NewAction]:
    """The rows of a rule's call; those on other hosts than its own are denied."""
    here = scope(engine)
    return [
        row
        if here.covers(rule.applies_to, row.host)
        else msgspec.structs.replace(row, event=ActionEvent.DENIED, reason=not_its_host(rule, row.host))
        for row in rows
    ]


def targets(engine: LoopContext, rule: Rule) -> list[str]:
    """The hosts that the rule may call, and the groups that have only such hosts."""
    here = scope(engine)
    own = here.hosts(rule.applies_to)
    names = {one.name for one in own}
    beyond = {group for one in engine.modules.hosts() if one.name not in names for group in one.groups}
    return [name for one in own for name in (one.name, *(group for group in one.groups if group not in beyond))]


def why_refused(engine: LoopContext, rule: Rule, op: StateOp) -> str | None:
    """Why the rule may not apply the state operation, or None.

    A rule that is bound to hosts registers none, since it could give another machine the name of one of its hosts.
    """
    if rule.applies_to.hosts is None:
        return None
    if op.op == "add_host":
        return f"cannot register the host {op.name}: the rule {rule.name} is bound to hosts, so it registers none"
    known = {one.name for one in engine.modules.hosts()}
    if op.op == "remove" and op.name in known and not scope(engine).covers(rule.applies_to, op.name):
        return f"cannot remove the host {op.name}: {not_its_host(rule, op.name)}"
    return None


def not_its_host(rule: Rule, host: str) -> str:
    """The sentence about a host that the rule may not reach."""
    bound = ", ".join(rule.applies_to.hosts or [])
    here = "this machine" if host == LOCALHOST else host
    return f"the rule {rule.name} applies to the hosts {bound}, and {here} is none of them"
