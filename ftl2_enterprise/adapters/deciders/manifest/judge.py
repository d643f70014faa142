"""The status of each step on each host, evaluated from observations. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import file_checks
from ftl2_enterprise.adapters.deciders.manifest.file_checks import DesiredPath, ObservedPaths
from ftl2_enterprise.adapters.deciders.manifest.paths import desired_path
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender
from ftl2_enterprise.adapters.deciders.manifest.validate import CommandCheck, ObservationCheck, PathCheck
from ftl2_enterprise.adapters.deciders.manifest.view import FILES, CannotEvaluate, exists, rendered, step_name
from ftl2_enterprise.gate.modules import BUILT_IN, canonical
from ftl2_enterprise.loops.engine import check as engine_check
from ftl2_enterprise.protocol.loops.decision import Expectation, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl2_enterprise.adapters.deciders.manifest.plan import PlannedStep
    from ftl2_enterprise.adapters.deciders.manifest.template import References
    from ftl2_enterprise.adapters.deciders.manifest.view import ManifestView
    from ftl2_enterprise.loops.ports import ObservationResult
    from ftl2_enterprise.protocol.loops.manifest import Expect


class StepStatus(StrEnum):
    """The status of a step on a host."""

    IN_PLACE = "in place"
    OUT_OF_PLACE = "out of place"
    UNKNOWN = "unknown"
    """It could not be observed."""
    UNANSWERED = "unanswered"
    """It depends on a question without an answer."""
    NOT_APPLICABLE = "not applicable"
    """Its `when` is false on the host."""
    LEFT_OUT = "left out"
    """A person left it out after it had failed."""


SETTLED = frozenset({StepStatus.IN_PLACE, StepStatus.NOT_APPLICABLE})
"""Statuses in which a step needs no action, so that steps that require it may be executed."""


@dataclass(frozen=True, kw_only=True)
class StepVerdict:
    """The status of one step on one host, and the reason."""

    status: StepStatus
    lines: tuple[str, ...] = ()
    actions: tuple[int, ...] = ()
    """Indexes of the actions that would bring it into place."""
    reasons: Mapping[int, str] = field(default_factory=dict[int, str])
    """The difference that each action would remove, by index, as far as known."""
    question: str | None = None
    """Key of the question that it depends on."""


def judge(view: ManifestView, step: PlannedStep, host: str) -> StepVerdict:
    """Evaluate a step on a host. Raises CannotEvaluate."""
    if (key := view.first_unanswered(step.when_reads)) is not None:
        return StepVerdict(status=StepStatus.UNANSWERED, question=key)
    if missing := _missing(view, step.when_reads, host):
        return StepVerdict(status=StepStatus.UNKNOWN, lines=(missing,))
    if not exists(view, step, host):
        return StepVerdict(status=StepStatus.NOT_APPLICABLE)
    if (key := view.first_unanswered(step.check_reads)) is not None:
        return StepVerdict(status=StepStatus.UNANSWERED, question=key)
    if missing := _missing(view, step.check_reads, host):
        return StepVerdict(status=StepStatus.UNKNOWN, lines=(missing,))
    match step.check:
        case ObservationCheck() | CommandCheck():
            return _judge_result(view, step, step.check.expect, host)
        case PathCheck() | None:
            return _judge_paths(view, step, host)


def _missing(view: ManifestView, reads: References, host: str) -> str | None:
    """The reason why one of the named observations cannot be used; None when all can."""
    for name in sorted(reads.observed):
        result = view.observation_for(name, host)
        if result is None:
            return f"{name} was not observed for {host}"
        if not result.success:
            return f"{name} cannot be observed: {result.error or 'no reason was given'}"
    return None


def _judge_paths(view: ManifestView, step: PlannedStep, host: str) -> StepVerdict:
    observed = view.paths.get(host, ObservedPaths())
    lines: list[str] = []
    reasons: dict[int, str] = {}
    for n, desired in enumerate(_desired_paths(view, step, host)):
        if desired.path not in observed.paths:
            return StepVerdict(status=StepStatus.UNKNOWN, lines=(_why_not_observed(view, host),))
        if desired.path in observed.hidden:
            return StepVerdict(
                status=StepStatus.UNKNOWN, lines=(f"{desired.path} cannot be examined: permission denied",)
            )
        found = file_checks.differences(desired, observed)
        if found:
            reasons[n] = f"{desired.path} {', '.join(found)}"
            lines.extend(f"{desired.path} {line}" for line in found)
    if not lines:
        return StepVerdict(status=StepStatus.IN_PLACE)
    return StepVerdict(
        status=StepStatus.OUT_OF_PLACE,
        lines=tuple(lines),
        actions=tuple(reasons if step.check is None else range(len(step.actions))),
        reasons=reasons if step.check is None else {},
    )


def _desired_paths(view: ManifestView, step: PlannedStep, host: str) -> Iterator[DesiredPath]:
    scope = view.scope(host, step.check_reads)
    if isinstance(step.check, PathCheck):
        check, place = step.check, (*step.where, "check")
        mode = rendered(check.mode, scope, place)
        yield DesiredPath(
            path=rendered(check.path, scope, place),
            state=check.state,
            mode=file_checks.octal(mode) if mode is not None else None,
        )
        return
    for action in step.actions:
        try:
            yield desired_path(action, scope, view.reveal)[0]
        except CannotRender as error:
            raise CannotEvaluate(action.where, f"the step {step.step.name!r}: {error}") from None


def _why_not_observed(view: ManifestView, host: str) -> str:
    for (name, where), result in view.results.items():
        if where == host and name.startswith(FILES):
            return f"{host} cannot be observed: {result.error or 'no reason was given'}"
    return f"{host} was not observed"


def _judge_result(view: ManifestView, step: PlannedStep, expect: tuple[Expect, ...], host: str) -> StepVerdict:
    result = view.results.get((step_name(step, host), host))
    if result is None:
        return StepVerdict(status=StepStatus.UNKNOWN, lines=(f"{host} was not observed",))
    if view.is_unreachable(host) and not result.success:
        why = f"{host} cannot be observed: {result.error or 'no reason'}"
        return StepVerdict(status=StepStatus.UNKNOWN, lines=(why,))
    if _is_unknown(step, result):
        why = f"its check has no result: {result.error or 'no reason was given'}"
        return StepVerdict(status=StepStatus.UNKNOWN, lines=(why,))
    lines = tuple(_unmet(step, expect, result, view.scope(host, step.check_reads)))
    if not lines:
        return StepVerdict(status=StepStatus.IN_PLACE)
    return StepVerdict(status=StepStatus.OUT_OF_PLACE, lines=lines, actions=tuple(range(len(step.actions))))


_ABOUT_THE_CALL = frozenset({"changed", "fence", "timed_out", "stdout", "stderr"})


def _is_unknown(step: PlannedStep, result: ObservationResult) -> bool:
    """Whether a failed check shows nothing: it was not made, it timed out, or a built-in one could not observe."""
    if result.success:
        return False
    if isinstance(step.check, ObservationCheck) and canonical(step.check.module) in BUILT_IN:
        return True
    return bool(result.result.get("timed_out")) or result.result.keys() <= _ABOUT_THE_CALL


def _unmet(
    step: PlannedStep, expect: tuple[Expect, ...], result: ObservationResult, scope: Mapping[str, Any]
) -> Iterator[str]:
    if not result.success:
        rc = result.result.get("rc")
        message = _first_line(result.result.get("stderr")) or _first_line(result.result.get("stdout"))
        if rc is None:
            yield f"its check failed: {_first_line(result.error) or 'no reason was given'}"
        else:
            yield f"{message} (its check exits with {rc})" if message else f"its check exits with {rc}"
        return
    for one in expect:
        value = rendered(one.value, scope, (*step.where, "check", "expect"))
        expectation = Expectation(observation=result.name, path=one.path, op=Operator(one.op), value=value)
        found = engine_check.lookup(result.result, one.path)
        line = engine_check.compare(found, expectation, label=one.path or "the result")
        if line is not None:
            yield line


def _first_line(text: Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0][:200] if lines else ""
