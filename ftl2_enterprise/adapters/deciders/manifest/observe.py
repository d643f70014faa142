"""The observations that a manifest needs, as far as the answers so far determine them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.deciders.manifest import file_checks
from ftl2_enterprise.adapters.deciders.manifest.paths import path_of
from ftl2_enterprise.adapters.deciders.manifest.validate import CommandCheck, ObservationCheck, PathCheck
from ftl2_enterprise.adapters.deciders.manifest.view import FILES, exists, observation_name, rendered, step_name
from ftl2_enterprise.protocol.loops.decision import ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.adapters.deciders.manifest.plan import PlannedStep
    from ftl2_enterprise.adapters.deciders.manifest.resolve import ResolvedObservation
    from ftl2_enterprise.adapters.deciders.manifest.view import ManifestView


def observations(view: ManifestView) -> list[ObservationSpec]:
    """All observations that can be made now; the paths of a host are examined in as few calls as possible.

    Raises CannotEvaluate and Problem.
    """
    specs: list[ObservationSpec] = []
    paths: dict[str, dict[str, bool]] = {}
    for one in view.plan.observations:
        specs.extend(_named(view, one))
    for step in view.plan.steps:
        if view.first_unanswered(step.observe_reads) is not None:
            continue
        for host in view.hosts(step.targets):
            if not _may_exist(view, step, host):
                continue
            match step.check:
                case ObservationCheck() | CommandCheck():
                    specs.append(_check(view, step, step.check, host))
                case PathCheck() | None:
                    for path, with_content in _paths(view, step, step.check, host):
                        of_host = paths.setdefault(host, {})
                        of_host[path] = of_host.get(path, False) or with_content
    for host, of_host in paths.items():
        for n, params in enumerate(file_checks.requests(of_host), start=1):
            name = f"{FILES}@{host}" if n == 1 else f"{FILES}#{n}@{host}"
            specs.append(ObservationSpec(name=name, module="paths", params=params, host=host))
    return specs


def _named(view: ManifestView, named: ResolvedObservation) -> Iterator[ObservationSpec]:
    if view.first_unanswered(named.reads) is not None:
        return
    for host in view.hosts(named.targets):
        params = rendered(named.entry.params, view.scope(host), named.where)
        name = observation_name(named.entry.name, host)
        yield ObservationSpec(name=name, module=named.entry.module, params=params, host=host)


def _check(
    view: ManifestView, step: PlannedStep, check: ObservationCheck | CommandCheck, host: str
) -> ObservationSpec:
    where, name = (*step.where, "check"), step_name(step, host)
    if isinstance(check, ObservationCheck):
        params = rendered(check.params, view.scope(host), where)
        return ObservationSpec(name=name, module=check.module, params=params, host=host)
    command = rendered(check.command, view.scope(host), where)
    return ObservationSpec(name=name, module="shell", params={"cmd": str(command)}, host=host)


def _paths(view: ManifestView, step: PlannedStep, check: PathCheck | None, host: str) -> Iterator[tuple[str, bool]]:
    """Each path that the step depends on, and whether its content matters."""
    scope = view.scope(host)
    if check is not None:
        yield rendered(check.path, scope, (*step.where, "check", "path")), False
        return
    for action in step.actions:
        key, path = path_of(action.params)
        yield rendered(path, scope, action.where), key == "dest"


def _may_exist(view: ManifestView, step: PlannedStep, host: str) -> bool:
    """False only if it is already certain that the step does not exist on the host."""
    if step.when_reads.observed or view.first_unanswered(step.when_reads) is not None:
        return True
    return exists(view, step, host)
