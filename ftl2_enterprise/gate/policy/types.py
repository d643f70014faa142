"""A policy: rules that deny effects, require an approval or allow them, as read from files and as compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from ftl2_enterprise.gate.policy.index import by_key
from ftl2_enterprise.gate.policy.pattern import Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set as AbstractSet

    from ftl2_enterprise.gate.approvals import ApprovalNeed
    from ftl2_enterprise.gate.policy.index import KeyIndex

PARAM = "param."
"""Prefix of the keys in `match` that name a parameter of the call, as in `param.path`."""


class RuleDecision(StrEnum):
    """What a rule decides. The later ones are stricter."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def strictness(self) -> int:
        """Greater for the stricter decision."""
        return _STRICTNESS[self]


_STRICTNESS = {decision: order for order, decision in enumerate(RuleDecision)}


class AppliesTo(StrEnum):
    """The kind of effect that a rule applies to."""

    ACTIONS = "actions"
    """Calls that change hosts, and changes of what is registered."""
    OBSERVATIONS = "observations"
    MODEL_CALLS = "model_calls"


@dataclass(frozen=True, kw_only=True)
class PolicyRule:
    """A rule about every effect that all of its conditions match."""

    number: int
    """Position among all rules of the policy, from 1."""
    match: Mapping[str, str]
    """Glob patterns by key: `module`, `class`, `host`, `environment`, `origin` or `param.NAME`."""
    reason: str
    source: str
    """File name and line, for messages."""
    applies_to: frozenset[AppliesTo] = frozenset({AppliesTo.ACTIONS})
    decision: RuleDecision = RuleDecision.DENY
    needs: ApprovalNeed | None = None
    """Of a rule that asks: who must agree."""

    @cached_property
    def conditions(self) -> tuple[tuple[str, Pattern], ...]:
        """The conditions, those that are compared fastest first."""
        found = [(key, Pattern(text)) for key, text in self.match.items()]
        return tuple(sorted(found, key=lambda one: (one[0].startswith(PARAM), one[0] == "host")))

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the conditions."""
        return frozenset(self.match)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules in order: the first one that matches decides."""

    rules: tuple[PolicyRule, ...] = ()
    revision: str = ""
    """SHA-256 of the files that it was read from, as 64 hexadecimal digits; empty for no files."""
    is_site: bool = False
    """Whether it is the policy of the site, which alone can allow what the defaults do not."""
    problem: str = ""
    """Why the policy cannot be used: then it denies everything."""
    ignored: tuple[str, ...] = ()
    """What its directory has that is not read and may have been meant as rules, one sentence each."""

    def without_keys(self, keys: AbstractSet[str]) -> Sequence[PolicyRule]:
        """The rules that have none of these keys, in order."""
        found = [one for of, rules in self._by_keys.items() if of.isdisjoint(keys) for one in rules]
        return [self.rules[position] for position in sorted(found)]

    @cached_property
    def _by_keys(self) -> Mapping[frozenset[str], Sequence[int]]:
        found: dict[frozenset[str], list[int]] = {}
        for position, rule in enumerate(self.rules):
            found.setdefault(rule.keys, []).append(position)
        return found

    @cached_property
    def index(self) -> Mapping[str, KeyIndex]:
        """The patterns of all rules, by key."""
        return by_key(condition for rule in self.rules for condition in rule.conditions)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the policies decide about an effect, and by which rule."""

    decision: RuleDecision
    policy: Policy = field(default_factory=Policy)
    rule: PolicyRule | None = None
    """None if a default decides, or a policy that cannot be used."""
    also: tuple[Finding, ...] = ()
    """Of an effect that needs an approval: what else requires one, each perhaps of other people."""
