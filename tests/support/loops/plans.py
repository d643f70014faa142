"""What a manager requires, in the form in which tests compare it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Plan


def keys(plan: Plan) -> tuple[str, ...]:
    """The keys that are due, in the order of the plan."""
    return tuple(one.key for one in plan.start)
