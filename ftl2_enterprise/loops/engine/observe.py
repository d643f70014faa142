"""Observing hosts: the intent is committed, all observations run concurrently, then the results are committed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.core.value import Value
from ftl2_enterprise.gate.effects import EffectKind, Fence, Origin
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.engine.calls import JudgedCall, RequestedCall
from ftl2_enterprise.loops.engine.context import (
    Held,
    LoopContext,
    run_concurrently,
    target_of,
    unless,
)
from ftl2_enterprise.loops.engine.observation_fences import fence_of, not_an_observation, run_fenced
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.host_facts import facts_from
from ftl2_enterprise.loops.ports import ModuleResult, ObservationResult
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.loops.units import observations as observation_units
from ftl2_enterprise.protocol.loops.nouns import Observation, ObservationState
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.columns import json_of, json_text, plain as json_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl2_enterprise.gate.judge import GateContext
    from ftl2_enterprise.protocol.loops.decision import ObservationSpec
    from ftl2_enterprise.store.tx import Tx


CHECK = "check"
"""Origin of the observations that a recorded check needs."""


class RequestedObservation(Value, frozen=True, kw_only=True):
    """An observation and its origin: `loop`, `decider`, `requested`, `check` or `rule:NAME`."""

    spec: ObservationSpec
    origin: str


class PlannedObservation(Value, frozen=True, kw_only=True):
    """One observation of one host: the redacted row to store, and the call to make."""

    row: observation_units.NewObservation
    spec: ObservationSpec
    call: JudgedCall | None = None
    """None if it is refused or denied."""


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """The results of all observations of one iteration."""

    seen: Sequence[ObservationResult]
    by_rule: Mapping[str, Sequence[ObservationResult]]
    check: Sequence[ObservationResult] = ()
    """The observations of the recorded check, which is evaluated by these only, whatever else has the same names."""

    def state(self, rule: str | None = None) -> dict[str, Any]:
        """Results by observation name, as rules and deciders read them; an observation of a group has a list.

        The observations that a rule declares take precedence for that rule. Others see them only under names that no
        observation of the loop has.
        """
        state: dict[str, Any] = {}
        for name in self.by_rule:
            state = _by_name(self.by_rule[name]) | state
        state |= _by_name(self.seen)
        if rule is not None:
            state |= _by_name(self.by_rule.get(rule, ()))
        return state


def _by_name(seen: Iterable[ObservationResult]) -> dict[str, Any]:
    grouped: dict[str, list[ObservationResult]] = {}
    for one in seen:
        grouped.setdefault(one.name, []).append(one)
    return {
        name: _plain(many[0]) if len(many) == 1 else [_plain(one) for one in many] for name, many in grouped.items()
    }


def _plain(seen: ObservationResult) -> dict[str, Any]:
    plain = dict(seen.result)
    if not seen.success:
        plain.setdefault("failed", True)
        plain.setdefault("error", seen.error)
    return plain


def view_of(rows: Sequence[tuple[Observation, str]]) -> ObservedState:
    """The observed state from stored observations with their complete results."""
    return _view([(row.origin, _seen(row, whole)) for row, whole in rows if _is_as_seen(row, whole)])


def are_as_seen(rows: Sequence[tuple[Observation, str]]) -> bool:
    """Whether stored results equal what was observed: a result that was redacted must not be evaluated."""
    return not any(contains_mask(whole) for _, whole in rows)


def _is_as_seen(row: Observation, whole: str) -> bool:
    return row.state is not ObservationState.UNKNOWN and not contains_mask(whole)


def _view(seen: Sequence[tuple[str, ObservationResult]]) -> ObservedState:
    plain: list[ObservationResult] = []
    check: list[ObservationResult] = []
    by_rule: dict[str, list[ObservationResult]] = {}
    for origin, one in seen:
        kind, _, rule = origin.partition(":")
        (by_rule.setdefault(rule, []) if kind == "rule" else check if kind == CHECK else plain).append(one)
    names = {one.name for one in plain}
    return ObservedState(
        seen=[*plain, *(one for one in check if one.name not in names)], by_rule=by_rule, check=check
    )


def _scope(origin: str) -> str:
    """Observations of the same name replace one another only within the same scope."""
    return origin if origin == CHECK or origin.startswith("rule:") else "loop"


def _seen(row: Observation, whole: str) -> ObservationResult:
    return ObservationResult(
        name=row.name,
        host=row.host,
        success=row.state is ObservationState.SUCCEEDED,
        result=msgspec.json.decode(whole or "{}", type=dict[str, Any]),
        error=row.error,
        module=row.module,
    )


def stored_view(tx: Tx, iteration_id: int) -> ObservedState:
    """What an iteration has observed. Raises LookupError if the database does not have a result."""
    return _view([(row.origin, _seen(row, whole)) for row, whole in stored_observations(tx, iteration_id)])


def stored_observations(tx: Tx, iteration_id: int) -> list[tuple[Observation, str]]:
    """The observations of an iteration with their whole results."""
    rows = observation_rows.get_observations(tx, iteration_id)
    return [(row, texts.whole(tx, row.result)) for row in rows]


def plan(
    engine: LoopContext, requested: Sequence[RequestedObservation], have: Sequence[tuple[Observation, str]] = ()
) -> list[PlannedObservation]:
    """The requested observations, one for each host, without those that have a usable stored result."""
    known = {(_scope(row.origin), row.name, row.host) for row, whole in have if _is_as_seen(row, whole)}
    return [one for key, one in _expand(engine, requested).items() if key not in known]


async def observe(
    engine: LoopContext,
    begun: Sequence[tuple[int, PlannedObservation]],
    have: Sequence[tuple[Observation, str]] = (),
) -> tuple[ObservedState, observation_units.Results | None] | None:
    """Run observations whose intent is committed; `have` are results that the iteration stored before a crash.

    The caller has to commit the returned results, if there are any. None when a second stop request interrupted it.
    Raises Held when a freeze holds one of them or interrupts it.
    """
    seen = [(row.origin, _seen(row, whole)) for row, whole in have if _is_as_seen(row, whole)]
    if not begun:
        return _view(seen), None
    found = await unless(engine.stop.now.wait(), _run(engine, begun))
    if found is None:
        return None
    fresh, results = found
    return _view(seen + fresh), results


def _expand(
    engine: LoopContext, requested: Sequence[RequestedObservation]
) -> dict[tuple[str, str, str], PlannedObservation]:
    """One observation for each host, by scope, name and host; a later one replaces an earlier one of the same key."""
    found: dict[tuple[str, str, str], PlannedObservation] = {}
    now = engine.gate
    for one in requested:
        spec = one.spec
        target = target_of(spec.host)
        scope = _scope(one.origin)
        try:
            hosts = engine.modules.expand(target)
        except Problem as problem:
            row = _new(engine, one, target, refused=(str(problem), False))
            found[scope, spec.name, target] = PlannedObservation(row=row, spec=spec)
            continue
        for host in hosts:
            call, refused = _call(engine, one, host, now)
            row = _new(engine, one, host, refused=refused)
            found[scope, spec.name, host] = PlannedObservation(row=row, spec=spec, call=call)
    return found


def _call(
    engine: LoopContext, one: RequestedObservation, host: str, now: GateContext
) -> tuple[JudgedCall, None] | tuple[None, tuple[str, bool]]:
    """The call that observes a host; or why there is none, and whether policy denies it."""
    spec, asked_by = one.spec, _asked_by(engine, one.origin)
    if contains_mask(spec.params):
        return None, ("cannot observe with a parameter that was redacted when it was stored", False)
    fence = fence_of(asked_by, spec.module, spec.params, fences_checks=engine.fences_checks)
    if fence is None:
        known = engine.modules.refuse(spec.module, host)
        return None, (known or not_an_observation(spec.module, spec.params), False)
    requested = RequestedCall(
        kind=EffectKind.OBSERVATION,
        origin=asked_by,
        fence=fence,
        module=spec.module,
        params=spec.params,
        host=host,
        timeout=engine.limits.observation_timeout,
    )
    why = engine.refused(requested)
    if why is not None:
        return None, (why, False)
    judged = engine.judge_call(requested, now)
    verdict = judged.verdict
    if verdict.freeze is not None:
        raise Held(verdict.freeze)
    if verdict.ruling is not Ruling.ALLOW:
        return None, (engine.redactor.text(verdict.reason), verdict.ruling is Ruling.DENY)
    return judged, None


def _asked_by(engine: LoopContext, origin: str) -> Origin:
    """Who asks for an observation: a recorded check and what a decision requests are of the decider."""
    if origin == "loop":
        return Origin.PERSON
    return Origin.RULE if origin.startswith("rule:") else engine.decided_by


def _new(
    engine: LoopContext, one: RequestedObservation, host: str, *, refused: tuple[str, bool] | None
) -> observation_units.NewObservation:
    # Names of what runs are those of modules and hosts. Others are whatever was written there.
    name = engine.redactor.text if refused else str
    return observation_units.NewObservation(
        name=name(one.spec.name),
        module=name(one.spec.module),
        host=name(host),
        params=engine.redactor.value(one.spec.params),
        origin=one.origin,
        refused=name(refused[0]) if refused else None,
        denied=refused[1] if refused else False,
    )


async def _run(
    engine: LoopContext, begun: Sequence[tuple[int, PlannedObservation]]
) -> tuple[list[tuple[str, ObservationResult]], observation_units.Results]:
    """Run the observations; returns the results with their origins, and the rows to store.

    Only the rows are redacted; rules and checks evaluate the results as they were observed.
    """
    turns = asyncio.Semaphore(engine.limits.parallel_hosts)
    todo = [(row_id, planned, call, _key(call)) for row_id, planned in begun if (call := planned.call) is not None]

    async def make(call: JudgedCall) -> ModuleResult:
        async with turns:
            return await run_fenced(engine, call)

    # Several rules may declare the same observation: it runs once.
    distinct = {key: call for _, _, call, key in todo}
    results = await run_concurrently(map(make, distinct.values()))
    for result in results:
        if result.frozen is not None:
            raise Held(result.frozen)
    shared = dict(zip(distinct, results, strict=True))
    fresh = [
        (
            planned.row.origin,
            ObservationResult(
                name=planned.row.name,
                host=planned.row.host,
                success=False,
                result={},
                error=refused,
                module=planned.row.module,
            ),
        )
        for _, planned in begun
        if (refused := planned.row.refused) is not None
    ]
    done: list[observation_units.DoneObservation] = []
    facts: dict[str, dict[str, Any]] = {}
    for row_id, planned, call, key in todo:
        one, spec = planned.row, planned.spec
        result = shared[key]
        plain = json_plain(result_of(result) | _fence(call.requested, result))
        seen = ObservationResult(
            name=one.name, host=one.host, success=result.success, result=plain, error=result.error, module=one.module
        )
        fresh.append((one.origin, seen))
        done.append(
            observation_units.DoneObservation(
                id=row_id,
                name=one.name,
                host=one.host,
                state=_state(result),
                result=json_of(engine.redactor.value(plain)),
                error=engine.redactor.text(result.error) if result.error is not None else None,
            )
        )
        if spec.host is not None and result.success and (found := facts_from(spec, plain)):
            facts.setdefault(one.host, {}).update(found)
    reach(LoopFaultPoint.OBSERVATION_DONE)
    return fresh, observation_units.Results(done=done, facts=facts)


def _key(call: JudgedCall) -> str:
    """What is equal for the same call."""
    permit = call.verdict.permit
    return call.effect.digest() if permit is None else permit.digest


def _state(result: ModuleResult) -> ObservationState:
    if result.success:
        return ObservationState.SUCCEEDED
    return ObservationState.DENIED if result.denied else ObservationState.FAILED


def _fence(call: RequestedCall, result: ModuleResult) -> dict[str, str]:
    """By what a call was kept from changing its host; nothing for a module that only reads."""
    if result.held or call.fence is Fence.READING:
        return {}
    fence = Fence.NONE if call.fence is Fence.SANDBOX and not result.fenced else call.fence
    return {"fence": str(fence)}


def result_of(result: ModuleResult) -> dict[str, Any]:
    """A module's result in the form that rules and deciders read and the database stores."""
    plain = dict(result.output)
    for key, value in (("rc", result.rc), ("stdout", result.stdout or None), ("stderr", result.stderr or None)):
        if value is not None:
            plain[key] = value
    if result.rc is not None:
        plain.setdefault("stdout", "")
        plain.setdefault("stderr", "")
    plain["changed"] = result.changed
    if result.timed_out:
        plain["timed_out"] = True
    return plain


def encode(value: Any) -> str:
    """The value as JSON; values that JSON cannot represent become text."""
    return json_text(value)
