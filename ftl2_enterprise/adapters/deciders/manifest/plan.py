"""Last step of loading a manifest: for each step, what has to be known to observe, to evaluate and to act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest.resolve import combined
from ftl2_enterprise.adapters.deciders.manifest.validate import CommandCheck, ObservationCheck
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl2_enterprise.adapters.deciders.manifest.resolve import ResolvedAction, ResolvedObservation
    from ftl2_enterprise.adapters.deciders.manifest.template import References
    from ftl2_enterprise.adapters.deciders.manifest.validate import ManifestCheck, ValidManifest, ValidStep
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where
    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.loops.manifest import Question, Step


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step with everything that a decision about it needs."""

    where: Where
    step: Step
    targets: tuple[str, ...]
    """Hosts and groups; groups are expanded when the decision is made."""
    actions: tuple[ResolvedAction, ...]
    check: ManifestCheck | None
    """None when the check is derived from the actions."""
    when_reads: References
    observe_reads: References
    """What has to be known to make its observations."""
    check_reads: References
    """What has to be known to evaluate its observations."""
    action_reads: References
    """What has to be known to execute its actions."""


@dataclass(frozen=True, kw_only=True)
class ManifestPlan:
    """A loaded manifest: validated, with the values of its variables and the contents of its files."""

    document: Document
    name: str
    remediation: LoopRemediation
    labels: Mapping[str, str]
    directory: Path
    vars: Mapping[str, Any]
    secrets: Mapping[str, str | None]
    """Names and sources."""
    questions: tuple[Question, ...]
    observations: tuple[ResolvedObservation, ...]
    steps: tuple[PlannedStep, ...]

    @property
    def modules(self) -> frozenset[str]:
        """Every module that it can call, as it is written."""
        found = {action.module for step in self.steps for action in step.actions}
        found |= {one.entry.module for one in self.observations}
        for step in self.steps:
            match step.check:
                case ObservationCheck():
                    found.add(step.check.module)
                case CommandCheck():
                    found.add("shell")
                case _:
                    pass
        return frozenset(found)

    @property
    def has_secrets(self) -> bool:
        """Whether templates can have references to secrets."""
        return bool(self.secrets) or any(question.secret for question in self.questions)

    def question(self, key: str) -> Question:
        """The question with that key, which must exist."""
        return next(question for question in self.questions if question.key == key)

    def problem(self, where: Where, what: str) -> Problem:
        """A problem about a place in the manifest, with its file and line."""
        return self.document.problem(where, what)


def plan(valid: ValidManifest) -> ManifestPlan:
    """Plan a valid manifest; this cannot fail."""
    resolved = valid.resolved
    return ManifestPlan(
        document=resolved.document,
        name=resolved.manifest.name,
        remediation=LoopRemediation(resolved.manifest.remediation),
        labels=resolved.manifest.labels,
        directory=resolved.directory,
        vars=resolved.vars,
        secrets=dict(resolved.manifest.secrets),
        questions=tuple(resolved.manifest.questions),
        observations=resolved.observations,
        steps=tuple(_step(step, resolved.observations) for step in valid.steps),
    )


def _step(valid: ValidStep, observations: tuple[ResolvedObservation, ...]) -> PlannedStep:
    step = valid.resolved
    return PlannedStep(
        where=step.where,
        step=step.step,
        targets=step.targets,
        actions=step.actions,
        check=valid.check,
        when_reads=_with_observations(step.when_reads, observations),
        observe_reads=step.observe_reads,
        check_reads=_with_observations(step.observe_reads | step.expect_reads, observations),
        action_reads=_with_observations(combined(action.reads for action in step.actions), observations),
    )


def _with_observations(reads: References, observations: tuple[ResolvedObservation, ...]) -> References:
    """The references, extended by those of the observations that they read."""
    return combined([reads, *(one.reads for one in observations if one.entry.name in reads.observed)])
