"""Values of a specification that were derived from its text: they change with the text, unless they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation
from ftl2_enterprise.wiring.loops import build

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.core.source_files import SourceFiles
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec


def without_derived(spec: LoopSpec, before: LoopSpec, settings: Settings, sources: SourceFiles) -> LoopSpec:
    """The specification without the values that are equal to those of `before` and were derived from its text.

    These are the decider, the observations, and the labels and the remediation of the manifest. A value that a user
    gave and that is equal to the derived one is taken for derived.
    """
    if spec.desired_state == before.desired_state:
        return spec
    changes: dict[str, Any] = {}
    if spec.decider == before.decider == build.choose(msgspec.structs.replace(before, decider="auto"), settings):
        changes["decider"] = "auto"
    if spec.observers == before.observers == build.default_observers(before.decider):
        changes["observers"] = None
    if before.decider == "manifest":
        changes |= _without_manifest(spec, before, settings, sources)
    return msgspec.structs.replace(spec, **changes)


def _without_manifest(spec: LoopSpec, before: LoopSpec, settings: Settings, sources: SourceFiles) -> dict[str, Any]:
    try:
        plan = build.manifest(before, sources)
    except Problem:
        # This version of the program refuses it, or a file is missing: nothing is known to be derived.
        return {}
    changes: dict[str, Any] = {}
    if spec.labels == before.labels:
        changes["labels"] = {key: value for key, value in spec.labels.items() if plan.labels.get(key) != value}
    if spec.remediation == before.remediation == plan.remediation:
        default = settings.section(LoopSettings).remediation
        changes["remediation"] = min(spec.remediation, default, key=list(LoopRemediation).index)
    return changes
