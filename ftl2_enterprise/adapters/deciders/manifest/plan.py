"""Last step of loading a manifest: for each step, what has to be known to observe, to judge and to act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest.resolve import combined

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl2_enterprise.adapters.deciders.manifest.resolve import ResolvedAction, ResolvedLook
    from ftl2_enterprise.adapters.deciders.manifest.template import References
    from ftl2_enterprise.adapters.deciders.manifest.validate import ManifestCheck, ValidManifest, ValidStep
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where
    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.loops.manifest import Question, Step


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step with everything that deciding on it needs."""

    where: Where
    step: Step
    targets: tuple[str, ...]
    """Hosts and groups; groups are expanded when the decision is made."""
    actions: tuple[ResolvedAction, ...]
    check: ManifestCheck | None
    """None when it follows from the actions."""
    when_reads: References
    observe_reads: References
    """What has to be known to observe."""
    check_reads: References
    """What has to be known to judge what was observed."""
    action_reads: References
    """What has to be known to act."""


@dataclass(frozen=True, kw_only=True)
class ManifestPlan:
    """A loaded manifest: checked, with its variables settled and the files that it names read."""

    document: Document
    name: str
    directory: Path
    vars: Mapping[str, Any]
    questions: tuple[Question, ...]
    looks: tuple[ResolvedLook, ...]
    steps: tuple[PlannedStep, ...]

    def question(self, key: str) -> Question:
        """The question with that key, which exists."""
        return next(question for question in self.questions if question.key == key)

    def problem(self, where: Where, what: str) -> Problem:
        """Why the manifest cannot be used, with its file and line."""
        return self.document.problem(where, what)


def plan(valid: ValidManifest) -> ManifestPlan:
    """Plan a manifest; nothing can go wrong any more."""
    resolved = valid.resolved
    return ManifestPlan(
        document=resolved.document,
        name=resolved.manifest.name,
        directory=resolved.directory,
        vars=resolved.vars,
        questions=tuple(resolved.manifest.questions),
        looks=resolved.looks,
        steps=tuple(_step(step, resolved.looks) for step in valid.steps),
    )


def _step(valid: ValidStep, looks: tuple[ResolvedLook, ...]) -> PlannedStep:
    step = valid.resolved
    return PlannedStep(
        where=step.where,
        step=step.step,
        targets=step.targets,
        actions=step.actions,
        check=valid.check,
        when_reads=_with_observations(step.when_reads, looks),
        observe_reads=step.observe_reads,
        check_reads=_with_observations(step.observe_reads | step.expect_reads, looks),
        action_reads=_with_observations(combined(action.reads for action in step.actions), looks),
    )


def _with_observations(reads: References, looks: tuple[ResolvedLook, ...]) -> References:
    """To read an observation, everything that the observation itself reads has to be known too."""
    return combined([reads, *(look.reads for look in looks if look.look.name in reads.observed)])
