"""Executing actions: each is committed as started before it runs, and with its result after it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.core.sentences import SEPARATOR
from ftl2_enterprise.gate import freezes as gate_freezes, judge as gate
from ftl2_enterprise.gate.approvals import describe
from ftl2_enterprise.gate.effects import EffectKind, Origin
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.engine.calls import RequestedCall
from ftl2_enterprise.loops.engine.context import (
    CANNOT_WAIT,
    Held,
    LoopContext,
    run_concurrently,
    target_of,
    unless,
)
from ftl2_enterprise.loops.engine.observe import encode
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.ports import ModuleResult
from ftl2_enterprise.loops.units import actions as action_units
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, Iteration

if TYPE_CHECKING:
    from collections.abc import Sequence, Set as AbstractSet

    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.judge import GateContext
    from ftl2_enterprise.gate.verdicts import Verdict
    from ftl2_enterprise.protocol.loops.decision import ActionSpec


@dataclass(frozen=True, kw_only=True)
class PlannedAction:
    """One action on one host, ready to run.

    `params` may contain secrets and are never stored; the stored row is redacted.
    """

    id: int
    n: int
    host: str
    module: str
    params: dict[str, Any]
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class JudgedAction:
    """One action on one host, with the verdict about it."""

    row: action_units.NewAction
    """Redacted; it has ended already if the action is refused, denied or only previewed."""
    params: dict[str, Any]
    """Without bound secrets."""
    effect: Effect | None = None
    """None if no host is known for it."""
    verdict: Verdict | None = None
    """None if nothing can run it."""

    @property
    def digest(self) -> str:
        """Of its effect; empty if there is none."""
        return "" if self.effect is None else self.effect.digest()

    @property
    def asks(self) -> bool:
        """Whether people have to approve it."""
        return self.row.event is None and self.verdict is not None and self.verdict.ruling is Ruling.ASK

    @property
    def needs_approval(self) -> bool:
        """Whether people have to approve it, or would have to outside of a dry run."""
        return self.verdict is not None and bool(self.verdict.needs)

    @property
    def why(self) -> str:
        """The sentence of the verdict."""
        return self.verdict.reason if self.verdict is not None else ""


def judge_actions(
    engine: LoopContext, actions: Sequence[ActionSpec], *, origin: str, first: int = 1
) -> list[JudgedAction]:
    """Each action on each of its hosts, judged as of now."""
    judged: list[JudgedAction] = []
    now = engine.gate
    for n, action in enumerate(actions, start=first):
        target = target_of(action.host)
        try:
            hosts = engine.modules.expand(target)
        except Problem as problem:
            row = _row(engine, action, n, target, origin, (ActionEvent.FAILED, str(problem)))
            judged.append(JudgedAction(row=row, params=action.params))
            continue
        judged.extend(_judged(engine, action, n, host, origin, now) for host in hosts)
    return judged


async def judge_to_ask(
    engine: LoopContext, actions: Sequence[ActionSpec], ended: AbstractSet[tuple[int, str]] = frozenset()
) -> list[JudgedAction] | None:
    """As `judge_actions`, of a decision; if people would have to approve something, with all links followed.

    So they are not asked about what would be denied, and everyone is asked who has to agree. An action of which it
    cannot be found out has failed: it could not be sent either. `ended` are those
    that are over, by number and host: they are skipped, and neither their paths nor freezes count. None if the loop
    has to stop at once. Raises Held when a freeze holds it.
    """
    judged = judge_actions(engine, actions, origin="decision")
    if not any(one.asks for one in judged):
        return judged
    turns = asyncio.Semaphore(engine.limits.parallel_hosts)

    async def follow(one: JudgedAction) -> JudgedAction:
        if (one.row.n, one.row.host) in ended:
            return _ended(one, ActionEvent.SKIPPED, "it has ended already")
        if one.effect is None or one.row.event is not None or not (paths := engine.paths_to_resolve(one.effect)):
            return one
        action = actions[one.row.n - 1]
        requested = _requested_call(engine, one.effect.origin, action.module, action.params, one.row.host)
        async with turns:
            places = await engine.resolve(requested, paths)
        if not isinstance(places, ModuleResult):
            effect = gate.with_paths(one.effect, places)
            verdict = engine.judge_effect(effect)
            if verdict.freeze is not None:
                raise Held(verdict.freeze)
            return _settled(engine, action, one.row.n, one.row.host, "decision", effect, verdict)
        if places.frozen is not None:
            raise Held(places.frozen)
        why = places.error or "it is not known where its paths lead"
        return denied(one, why) if places.denied else _ended(one, ActionEvent.FAILED, why)

    return await unless(engine.stop.now.wait(), run_concurrently(map(follow, judged)))


def plan(
    engine: LoopContext, actions: Sequence[ActionSpec], *, origin: str, first: int = 1
) -> list[action_units.NewAction]:
    """A row for each action and host that a rule calls; those that do not run have ended already.

    People cannot approve a call of a rule, which cannot wait for them: it is denied.
    """
    return [
        one.row if not one.needs_approval else denied(one, one.why + CANNOT_WAIT).row
        for one in judge_actions(engine, actions, origin=origin, first=first)
    ]


def denied(one: JudgedAction, reason: str) -> JudgedAction:
    """The action, denied for the reason."""
    return _ended(one, ActionEvent.DENIED, reason)


def _ended(one: JudgedAction, event: ActionEvent, reason: str) -> JudgedAction:
    return replace(one, row=msgspec.structs.replace(one.row, event=event, reason=reason))


def _judged(
    engine: LoopContext, action: ActionSpec, n: int, host: str, origin: str, now: GateContext
) -> JudgedAction:
    requested = _requested_call(engine, origin_of(engine, origin), action.module, action.params, host)
    why = engine.refused(requested)
    effect = engine.effect(requested)
    if why is not None:
        row = _row(engine, action, n, host, origin, (ActionEvent.FAILED, why))
        return JudgedAction(row=row, params=action.params, effect=effect)
    return _settled(engine, action, n, host, origin, effect, engine.judge_effect(effect, now))


def _settled(
    engine: LoopContext, action: ActionSpec, n: int, host: str, origin: str, effect: Effect, verdict: Verdict
) -> JudgedAction:
    settled: tuple[ActionEvent, str | None] | None = None
    if verdict.ruling is Ruling.DENY:
        settled = ActionEvent.DENIED, verdict.reason
    elif verdict.ruling is Ruling.PREVIEW:
        settled = ActionEvent.PREVIEWED, _asks(verdict) if verdict.needs else None
    return JudgedAction(
        row=_row(engine, action, n, host, origin, settled),
        params=action.params,
        effect=effect,
        verdict=verdict,
    )


def _asks(verdict: Verdict) -> str:
    """Why a previewed action would need an approval, and of whom."""
    needs = [f"needs {describe(need)}" for need in verdict.needs]
    return SEPARATOR.join(dict.fromkeys([verdict.reason.removesuffix("."), *needs]))


def _row(
    engine: LoopContext,
    action: ActionSpec,
    n: int,
    host: str,
    origin: str,
    settled: tuple[ActionEvent, str | None] | None,
) -> action_units.NewAction:
    # Names of what runs are those of modules and hosts. Others are whatever was written there.
    name = engine.redactor.text if settled else str
    return action_units.NewAction(
        n=n,
        host=name(host),
        target=name(target_of(action.host)),
        module=name(action.module),
        params=engine.redactor.value(action.params),
        origin=origin,
        summary=engine.summary(action.module, action.params),
        step=engine.redactor.text(action.step) if action.step is not None else None,
        part=action.part,
        event=settled[0] if settled else None,
        reason=name(settled[1]) if settled and settled[1] else None,
    )


def _requested_call(
    engine: LoopContext, origin: Origin, module: str, params: dict[str, Any], host: str
) -> RequestedCall:
    return RequestedCall(
        kind=EffectKind.ACTION,
        origin=origin,
        module=module,
        params=params,
        host=host,
        timeout=engine.spec.action_timeout,
    )


def _call_for(engine: LoopContext, one: PlannedAction) -> RequestedCall:
    return _requested_call(engine, one.origin, one.module, one.params, one.host)


def origin_of(engine: LoopContext, origin: str) -> Origin:
    """Who asks for an action, by the origin in its row: `decision` or `rule:NAME`."""
    return Origin.RULE if origin.startswith("rule:") else engine.decided_by


def runnable(
    engine: LoopContext,
    actions: Sequence[ActionSpec],
    rows: Sequence[action_units.NewAction],
    ids: Sequence[int],
    *,
    first: int = 1,
) -> list[PlannedAction]:
    """The actions of a plan that have to run, with the parameters of the decision."""
    return [
        PlannedAction(
            id=row_id,
            n=row.n,
            host=row.host,
            module=row.module,
            params=actions[row.n - first].params,
            origin=origin_of(engine, row.origin),
        )
        for row_id, row in zip(ids, rows, strict=True)
        if row.event is None
    ]


def remaining(engine: LoopContext, actions: Sequence[Action]) -> list[PlannedAction]:
    """The stored actions that still have to run after a stop or a crash."""
    return [
        PlannedAction(
            id=action.id,
            n=action.n,
            host=action.host,
            module=action.module,
            params=action.params,
            origin=origin_of(engine, action.origin),
        )
        for action in actions
        if action.state is ActionState.PROPOSED
    ]


def can_resume(engine: LoopContext, planned: Sequence[PlannedAction]) -> bool:
    """Whether the rest of a stored plan can run: nothing in it was redacted, and policy still allows it."""
    now, calls = engine.gate, [_call_for(engine, one) for one in planned]
    return not any(
        contains_mask(call.params)
        or engine.refused(call)
        or engine.judge(call, now).ruling in {Ruling.DENY, Ruling.PREVIEW, Ruling.ASK}
        for call in calls
    )


async def execute(engine: LoopContext, iteration: Iteration, planned: Sequence[PlannedAction]) -> bool:
    """Run the actions in order, each on its hosts concurrently. False when stopped before the last one ended.

    Raises Held when a freeze holds one of them or interrupts it; then no further one begins.
    """
    of = max((one.n for one in planned), default=0)
    for n in sorted({one.n for one in planned}):
        for some in batches(engine, [one for one in planned if one.n == n]):
            if engine.stop.requested.is_set():
                return False
            raise_if_held(engine, some)
            results = await run_batch(engine, iteration, some, of=of)
            if results is None:
                return False
            for result in results:
                if result.frozen is not None:
                    raise Held(result.frozen)
    return not engine.stop.now.is_set()


def raise_if_held(engine: LoopContext, planned: Sequence[PlannedAction]) -> None:
    """Raise Held if a freeze holds one of the actions, so that they are not begun in vain."""
    freezes, now = engine.freezes(), engine.clock.now()
    if not freezes:
        return
    for one in planned:
        freeze = gate_freezes.holding(engine.effect(_call_for(engine, one)), freezes, now)
        if freeze is not None:
            raise Held(freeze)


def batches(engine: LoopContext, step: Sequence[PlannedAction]) -> list[Sequence[PlannedAction]]:
    """The hosts of one action, in groups of `parallel_hosts`."""
    size = engine.limits.parallel_hosts
    return [step[start : start + size] for start in range(0, len(step), size)]


async def run_batch(
    engine: LoopContext, iteration: Iteration, some: Sequence[PlannedAction], *, of: int
) -> list[ModuleResult] | None:
    """Run one action on some hosts: commit that it starts, run it concurrently, commit each result as it arrives.

    None if the desired state was changed, so that it does not start: the loop stops at this safe point.
    """
    starting = [(one.id, engine.summary(one.module, one.params)) for one in some]
    if not engine.journal.commit(action_units.start_actions, iteration, starting, of=of):
        engine.stop.requested.set()
        return None
    reach(LoopFaultPoint.ACTION_STARTED)
    try:
        return await run_concurrently(_run(engine, iteration, one) for one in some)
    except asyncio.CancelledError:
        engine.journal.commit(action_units.lose_actions, iteration, reason="cancelled while it ran")
        raise


async def _run(engine: LoopContext, iteration: Iteration, one: PlannedAction) -> ModuleResult:
    started = time.monotonic()
    result = await unless(engine.stop.now.wait(), engine.run(_call_for(engine, one)))
    reach(LoopFaultPoint.ACTION_DONE)
    engine.journal.commit(
        action_units.end_action, iteration, _done(engine, one.id, result, time.monotonic() - started)
    )
    reach(LoopFaultPoint.ACTION_RECORDED)
    return result or ModuleResult(success=False, error="stopped while it ran")


def _done(
    engine: LoopContext, action_id: int, result: ModuleResult | None, seconds: float
) -> action_units.DoneAction:
    if result is None:
        return action_units.DoneAction(
            id=action_id, event=ActionEvent.LOST, error="stopped while it ran", seconds=seconds
        )
    redact = engine.redactor.text
    if result.held:
        event = ActionEvent.DENIED if result.denied else ActionEvent.SKIPPED
        return action_units.DoneAction(id=action_id, event=event, error=result.error, seconds=0.0)
    if result.lost:
        reason = redact(result.error or "it ended without a result")
        return action_units.DoneAction(id=action_id, event=ActionEvent.LOST, error=reason, seconds=round(seconds, 3))
    return action_units.DoneAction(
        id=action_id,
        event=ActionEvent.SUCCEEDED if result.success else ActionEvent.FAILED,
        changed=result.changed,
        rc=result.rc,
        stdout=redact(result.stdout),
        stderr=redact(result.stderr),
        output=encode(engine.redactor.value(dict(result.output))),
        error=redact(result.error) if result.error is not None else None,
        seconds=round(seconds, 3),
    )
