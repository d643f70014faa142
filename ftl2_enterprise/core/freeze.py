"""A freeze: a person has ordered that no effect of some kind begins until it ends."""

from __future__ import annotations

from enum import StrEnum

from ftl2_enterprise.core.clock import Instant, moment
from ftl2_enterprise.core.wire import Wire

UNUSABLE_POLICY = "unusable-policy"
"""The id of the freeze of everything while a policy cannot be used."""
UNREADABLE = "unreadable"
"""The id of the freeze of everything that stands for files which cannot be read."""
NOT_THAWED = frozenset({UNUSABLE_POLICY, UNREADABLE})
"""Freezes that no person has ordered: they end when what they stand for is repaired; `health` shows what that is."""


class FreezeScope(StrEnum):
    """What a freeze covers."""

    ALL = "all"
    """Every effect."""
    SUBJECT = "subject"
    """Every effect that one thing asks for, such as `note:17`."""
    TARGET = "target"
    """Every effect on one target, whatever it is called, or on the members of a group of targets."""
    KIND = "kind"
    """Every effect of one kind."""


class Freeze(Wire, frozen=True, kw_only=True):
    """One freeze, as it is stored in its file and in the database."""

    id: str
    """Random, and never used again."""
    scope: FreezeScope
    of: str = ""
    """The subject, the target or its group, or the kind; empty for everything."""
    reason: str
    by: str
    """Who ordered it."""
    since: Instant
    """0 if no person ordered it: it holds because something cannot be read, until it can."""
    until: Instant | None = None
    """When it ends without a request; None for never."""
    now: bool = False
    """Effects that had begun already are interrupted."""
    by_administrator: bool = False
    """Only an administrator may end it."""

    @property
    def sentence(self) -> str:
        """The reason that is shown for what it holds: who, since when, and why."""
        who = self.by.partition(" (")[0] or "no user"
        return (
            f"frozen by {who} since {moment(self.since)}: {self.reason}" if self.since else f"frozen: {self.reason}"
        )

    def is_over(self, now: Instant) -> bool:
        """Whether its time has ended."""
        return self.until is not None and self.until <= now


def sentence_of_unusable_policy(problem: str) -> str:
    """What follows from a problem of the policy, in a sentence; empty without one."""
    return f"nothing has an effect, because the site policy cannot be used: {problem}" if problem else ""


def freeze_of_unusable_policy(sentence: str) -> Freeze:
    """The freeze of everything while a policy cannot be used, with that reason."""
    return Freeze(id=UNUSABLE_POLICY, scope=FreezeScope.ALL, reason=sentence, by="ftl2-enterprise", since=0)


class Thaw(Wire, frozen=True, kw_only=True):
    """The end of a freeze."""

    id: str
    """Of the freeze."""
    by: str
    """Who ended it; empty if its time has ended."""
    at: Instant
    gradually: bool = False
    """What waits for it continues over a period, not all at once."""
