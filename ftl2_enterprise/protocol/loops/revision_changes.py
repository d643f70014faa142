"""What differs between two revisions of a desired state, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec

NOT_COMPARED = {"name", "files", "without_model"}
"""Fields of `LoopSpec` that are no part of what is requested, or are compared file by file."""

_NOT_ABOUT_STEPS = {
    "interval",
    "labels",
    "max_ask_delay",
    "max_cost",
    "max_iterations",
    "max_tokens",
    "mode",
    "prompt_timeout",
    "remediation",
}
"""Fields that cannot make a step succeed that had failed."""


def keeps_steps(before: LoopSpec, after: LoopSpec) -> bool:
    """Whether every step stays as it is, so that what people have decided about steps still holds."""
    return not changed_files(before, after) and _NOT_ABOUT_STEPS.issuperset(changed_settings(before, after))


def changed_settings(before: LoopSpec, after: LoopSpec) -> list[str]:
    """Names of the fields with another value; `desired_state` is the text."""
    names = [name for name in after.__struct_fields__ if name not in NOT_COMPARED]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def changed_files(before: LoopSpec, after: LoopSpec) -> list[str]:
    """Paths of the files that are in one of them only, or have another content."""
    paths = sorted(before.files.keys() | after.files.keys())
    return [path for path in paths if before.files.get(path) != after.files.get(path)]
