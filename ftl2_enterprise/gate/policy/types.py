"""A policy: the rules that deny calls, as read from files and as evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAM = "param."
"""Prefix of the keys in `match` that name a parameter of the call, as in `param.path`."""


class AppliesTo(StrEnum):
    """The kind of call that a rule applies to."""

    ACTIONS = "actions"
    OBSERVATIONS = "observations"


@dataclass(frozen=True, kw_only=True)
class DenyRule:
    """A rule that denies every call that all of its conditions match."""

    number: int
    """Position among all rules of the policy, from 1."""
    match: Mapping[str, str]
    """Glob patterns by key: `module`, `host`, `environment` or `param.NAME`."""
    reason: str
    source: str
    """File name and line, for messages."""
    applies_to: frozenset[AppliesTo] = frozenset({AppliesTo.ACTIONS})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules in order: the first one that matches denies the call; a call that no rule matches is allowed."""

    rules: tuple[DenyRule, ...] = ()
