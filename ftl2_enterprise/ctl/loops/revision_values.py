"""Values of the commands about revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Option
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues

LONGEST_REASON = 2000
HIGHEST = 2**63 - 1
REASON = Option("reason", "Why, in your words; `revisions` shows it.", TEXT, value="TEXT")


def reason_of(given: GivenValues) -> str | None:
    """The reason, if one was given. Raises Problem(invalid) for one that is too long."""
    reason = given.maybe("reason")
    if reason is not None and len(reason) > LONGEST_REASON:
        raise invalid(f"cannot take {len(reason)} characters for --reason", f"it must have at most {LONGEST_REASON}")
    return reason


def number_of(given: GivenValues, name: str, default: int) -> int:
    """The number of a revision. Raises Problem(invalid) for one that no revision can have."""
    number = given.number(name, default)
    if not 1 <= number <= HIGHEST:
        raise invalid(f"cannot take {number} for the number of a revision", "revisions are numbered from 1")
    return number
