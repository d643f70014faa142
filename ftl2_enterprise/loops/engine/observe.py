"""Looking at hosts: between the commits of the intent and of the outcome, everything is looked at side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.loops.engine.context import LoopContext, side_by_side, target_of, unless
from ftl2_enterprise.loops.host_facts import facts_from
from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult, ObservationResult
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.loops.units import observations as observation_units
from ftl2_enterprise.protocol.loops.nouns import Observation, ObservationState
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.columns import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl2_enterprise.protocol.loops.decision import ObservationSpec
    from ftl2_enterprise.store.tx import Tx


CHECK = "check"
"""The origin of what a recorded check observes."""


@dataclass(frozen=True, kw_only=True)
class RequestedObservation:
    """An observation and who wants it: `loop`, `decider`, `requested`, `check` or `rule:NAME`."""

    spec: ObservationSpec
    origin: str


@dataclass(frozen=True, kw_only=True)
class PlannedObservation:
    """One look at one host: as it is stored, and as it is taken."""

    row: observation_units.NewObservation
    spec: ObservationSpec


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """Everything seen in one iteration."""

    seen: Sequence[ObservationResult]
    by_rule: Mapping[str, Sequence[ObservationResult]]
    check: Sequence[ObservationResult] = ()
    """What the recorded check is judged by: its own looks, whatever else has their names."""

    def state(self, rule: str | None = None) -> dict[str, Any]:
        """Results by observation name, as rules and deciders read them; a group gives a list.

        What a rule observes itself is seen by that rule under its own names, and by everybody else only where no
        observation of the loop has the name.
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
    """The view that stored observations (with their whole results) give."""
    return _view([(row.origin, _seen(row, whole)) for row, whole in rows if _is_as_seen(row, whole)])


def are_as_seen(rows: Sequence[tuple[Observation, str]]) -> bool:
    """Whether stored results are what was seen: what is left of a text after redaction tells nothing of the host."""
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
    """Looks replace one another by name within a scope only."""
    return origin if origin == CHECK or origin.startswith("rule:") else "loop"


def _seen(row: Observation, whole: str) -> ObservationResult:
    return ObservationResult(
        name=row.name,
        host=row.host,
        success=row.state is ObservationState.SUCCEEDED,
        result=msgspec.json.decode(whole or "{}", type=dict[str, Any]),
        error=row.error,
    )


def stored_observations(tx: Tx, iteration_id: int) -> list[tuple[Observation, str]]:
    """The observations of an iteration with their whole results."""
    rows = observation_rows.get_observations(tx, iteration_id)
    return [(row, texts.whole(tx, row.result)) for row in rows]


def looks(
    engine: LoopContext, wanted: Sequence[RequestedObservation], have: Sequence[tuple[Observation, str]] = ()
) -> list[PlannedObservation]:
    """Everything that is wanted but what there is already."""
    known = {(_scope(row.origin), row.name, row.host) for row, whole in have if _is_as_seen(row, whole)}
    return [look for key, look in _expand(engine, wanted).items() if key not in known]


async def observe(
    engine: LoopContext,
    begun: Sequence[tuple[int, PlannedObservation]],
    have: Sequence[tuple[Observation, str]] = (),
) -> tuple[ObservedState, observation_units.Results | None] | None:
    """Take looks whose intent is committed; what the iteration has seen before a crash is part of the view.

    The results, if there are any, still have to be committed. None when a second stop cut it off.
    """
    seen = [(row.origin, _seen(row, whole)) for row, whole in have if _is_as_seen(row, whole)]
    if not begun:
        return _view(seen), None
    found = await unless(engine.stop.now.wait(), _look(engine, begun))
    if found is None:
        return None
    fresh, results = found
    return _view(seen + fresh), results


def _expand(
    engine: LoopContext, wanted: Sequence[RequestedObservation]
) -> dict[tuple[str, str, str], PlannedObservation]:
    """One look for each host, by scope, name and host; of two with the same ones the later counts."""
    found: dict[tuple[str, str, str], PlannedObservation] = {}
    for one in wanted:
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
            row = _new(engine, one, host, refused=_refused(engine, spec, host))
            found[scope, spec.name, host] = PlannedObservation(row=row, spec=spec)
    return found


def _refused(engine: LoopContext, spec: ObservationSpec, host: str) -> tuple[str, bool] | None:
    if contains_mask(spec.params):
        return "cannot look with a parameter that was redacted when it was stored", False
    return engine.refused(spec.module, spec.params, host, observing=True)


def _new(
    engine: LoopContext, one: RequestedObservation, host: str, *, refused: tuple[str, bool] | None
) -> observation_units.NewObservation:
    return observation_units.NewObservation(
        name=one.spec.name,
        module=one.spec.module,
        host=host,
        params=engine.redactor.value(one.spec.params),
        origin=one.origin,
        refused=refused[0] if refused else None,
        denied=refused[1] if refused else False,
    )


async def _look(
    engine: LoopContext, begun: Sequence[tuple[int, PlannedObservation]]
) -> tuple[list[tuple[str, ObservationResult]], observation_units.Results]:
    """Look; returns what was seen with its origin, and how it is stored.

    What is stored is redacted on suspicion, too; what is returned is judged as it was seen.
    """
    gate = asyncio.Semaphore(engine.limits.parallel_hosts)
    todo = [(row_id, look.row, look.spec) for row_id, look in begun if look.row.refused is None]

    async def call(module: str, values: dict[str, Any], host: str) -> ModuleResult:
        async with gate:
            return await engine.modules.run(
                ModuleCall(module=module, params=values, host=host, timeout=engine.limits.observation_timeout)
            )

    # Several rules may want the same look: it is taken once.
    distinct = {_key(spec, one.host): (spec, one.host) for _, one, spec in todo}
    results = await side_by_side(call(spec.module, spec.params, host) for spec, host in distinct.values())
    shared = dict(zip(distinct, results, strict=True))
    fresh = [
        (
            look.row.origin,
            ObservationResult(name=look.row.name, host=look.row.host, success=False, result={}, error=refused),
        )
        for _, look in begun
        if (refused := look.row.refused) is not None
    ]
    done: list[observation_units.DoneObservation] = []
    facts: dict[str, dict[str, Any]] = {}
    for row, one, spec in todo:
        result = shared[_key(spec, one.host)]
        plain = msgspec.json.decode(encode(result_of(result)), type=dict[str, Any])
        seen = ObservationResult(
            name=one.name, host=one.host, success=result.success, result=plain, error=result.error
        )
        fresh.append((one.origin, seen))
        done.append(
            observation_units.DoneObservation(
                id=row,
                name=one.name,
                host=one.host,
                state=ObservationState.SUCCEEDED if result.success else ObservationState.FAILED,
                result=encode(engine.redactor.value(plain)),
                error=engine.redactor.text(result.error) if result.error is not None else None,
            )
        )
        if spec.host is not None and result.success and (found := facts_from(spec, plain)):
            facts.setdefault(one.host, {}).update(found)
    reach(FaultPoint.OBSERVATION_DONE)
    return fresh, observation_units.Results(done=done, facts=facts)


def _key(spec: ObservationSpec, host: str) -> str:
    return encode([spec.module, spec.params, host])


def result_of(result: ModuleResult) -> dict[str, Any]:
    """A module's result as rules, deciders and the database see it."""
    plain = dict(result.output)
    for key, value in (("rc", result.rc), ("stdout", result.stdout or None), ("stderr", result.stderr or None)):
        if value is not None:
            plain[key] = value
    if result.rc is not None:
        plain.setdefault("stdout", "")
        plain.setdefault("stderr", "")
    plain["changed"] = result.changed
    return plain


def encode(value: Any) -> str:
    """JSON; what JSON cannot hold becomes text."""
    return json_text(value)
