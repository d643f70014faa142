"""Facts about rules: enabled and disabled for every loop, matched and fired in an iteration."""

from __future__ import annotations

from typing import ClassVar

from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import IterationFact


class RuleEnabled(Fact, frozen=True, tag="rule.enabled"):
    """A rule that was disabled may fire again, in every loop."""

    level: ClassVar[LogLevel] = "debug"

    rule: str
    """Its name."""


class RuleDisabled(Fact, frozen=True, tag="rule.disabled"):
    """A rule does not fire in any loop until it is enabled again."""

    level: ClassVar[LogLevel] = "debug"

    rule: str
    """Its name."""


class RuleMatched(IterationFact, frozen=True, tag="rule.matched"):
    """The condition of a rule holds, and its action begins."""

    rule: str
    """Its name."""


class RuleFired(IterationFact, frozen=True, tag="rule.fired"):
    """The action of a rule ended."""

    rule: str
    """Its name."""
    success: bool
    """It succeeded."""
    detail: str = ""
    """What it did, or why it failed."""


class RuleBroken(IterationFact, frozen=True, tag="rule.broken"):
    """A rule cannot be loaded, or its condition cannot be evaluated."""

    level: ClassVar[LogLevel] = "warning"

    rule: str
    """Its name."""
    error: str
    """Why."""
