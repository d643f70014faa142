"""Verdicts: the ruling of the gate about an effect, and its reason."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ftl2_enterprise.core.value import Value

if TYPE_CHECKING:
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.gate.approvals import ApprovalNeed
    from ftl2_enterprise.gate.permits import Permit


class Ruling(StrEnum):
    """What happens to an effect."""

    ALLOW = "allow"
    PREVIEW = "preview"
    """It is shown and does not happen: a dry run."""
    ASK = "ask"
    """It waits for the approval of a person."""
    HOLD = "hold"
    """It waits until the end of a freeze."""
    DENY = "deny"


class Verdict(Value, frozen=True, kw_only=True):
    """The ruling about one effect, with its reason."""

    ruling: Ruling
    rule: int | None = None
    """Number of the policy rule that decided, if one did."""
    source: str = ""
    """The file and line of that rule."""
    revision: str = ""
    """Of the policy that decided: the digest of its files."""
    reason: str = ""
    """One line for people: the rule with its file and line, or what else decided. Empty for a plain `allow`."""
    freeze: Freeze | None = None
    """The freeze that holds the effect, if the ruling is `hold`."""
    permit: Permit | None = None
    """The leave for the effect; None unless the ruling is `allow`."""
    needs: tuple[ApprovalNeed, ...] = ()
    """Who must agree, all of them: of `ask`, and of `preview` if the effect would ask outside of a dry run."""
