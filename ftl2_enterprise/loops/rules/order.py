"""The order in which rules fire. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class RuleOutcome(StrEnum):
    """How the firing of a rule ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"


def may_fire(matched: Sequence[str], fired_before: Collection[str]) -> list[str]:
    """The matching rules that may fire, in order: all but those that fired in the previous iteration."""
    return [name for name in matched if name not in fired_before]


def next_to_fire(candidates: Sequence[str], ended: Mapping[str, RuleOutcome]) -> str | None:
    """The rule to fire next in this iteration; None when one has succeeded or none is left.

    A rule that failed or was denied is not fired again in the iteration; the next one is.
    """
    if RuleOutcome.SUCCEEDED in ended.values():
        return None
    return next((name for name in candidates if name not in ended), None)
