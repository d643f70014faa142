"""Nouns of rules: what one applies to, its result in an iteration, and when it fired."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire


class RuleBinding(Wire, frozen=True):
    """What a rule applies to: all that is not null has to hold. If nothing is given, it applies to everything.

    Names may be patterns with `*`, `?` and `[abc]`. One of a list has to match.
    """

    loops: list[str] | None = None
    """Names of loops."""
    labels: dict[str, list[str]] | None = None
    """Labels that the loop has, with the values that each may have."""
    hosts: list[str] | None = None
    """Names of hosts and groups: the loop has such a host, and the rule reaches no other one."""

    @property
    def is_everything(self) -> bool:
        """Whether it applies to every loop, with all of its hosts."""
        return self.loops is None and self.labels is None and self.hosts is None


class RuleResult(Wire, frozen=True):
    """The result of a rule in an iteration: it matched, fired, or could not be evaluated."""

    id: int
    loop_id: int
    iteration_id: int
    rule_name: str
    rule_digest: str
    matched: bool
    fired: bool
    success: bool | None
    detail: str | None
    created_at: Instant


class RuleFiring(Wire, frozen=True):
    """One time that a rule fired."""

    loop: str
    """The name of the loop."""
    iteration: int
    """The number of the iteration in the loop."""
    success: bool | None
    """Null while it runs, and if its process ended before it did."""
    detail: str | None
    created_at: Instant
