"""Facts about calls of models."""

from __future__ import annotations

from typing import ClassVar, override

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import IterationFact
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, WaitReason


class ModelAsked(IterationFact, frozen=True, tag="model.asked"):
    """A call of a model began."""

    wakes: ClassVar[bool] = True

    call_id: int
    """The call."""
    purpose: str
    """Purpose of the call: `decide` or `repair`."""
    provider: str
    """The provider of the model."""
    model: str | None = None
    """The requested model; null: the provider's default."""


class ModelQueued(IterationFact, frozen=True, tag="model.queued"):
    """A call of a model has to wait before it may begin."""

    provider: str
    """The provider of the model."""
    reason: WaitReason
    """Why."""
    until: Instant | None = None
    """When it may begin, if that is known."""


class ModelAnswered(IterationFact, frozen=True, tag="model.answered"):
    """A call of a model ended."""

    wakes: ClassVar[bool] = True

    call_id: int
    """The call."""
    outcome: CallOutcome
    """How it ended."""
    latency: float | None = None
    """Seconds that it took."""
    input_tokens: int | None = None
    """Tokens that were sent."""
    output_tokens: int | None = None
    """Tokens of the answer."""
    cost_usd: float | None = None
    """US dollars that it cost."""
    error: str | None = None
    """Why it failed."""

    @override
    def log_level(self) -> LogLevel:
        return "warning" if self.error else self.level


class ModelOverran(IterationFact, frozen=True, tag="model.overran"):
    """A call of a model used more than it had reserved: the excess counts, and its budgets are blocked."""

    level: ClassVar[LogLevel] = "warning"

    call_id: int
    """The call."""
    reserved_usd: float
    """US dollars that it had reserved."""
    cost_usd: float
    """US dollars that count for it."""
    reserved_tokens: int
    """Tokens that it had reserved."""
    tokens: int
    """Tokens that count for it."""


class DayRaised(Fact, frozen=True, tag="model.day_raised"):
    """A person raised the budget of all loops for one day."""

    day: str
    """The day, in UTC."""
    cost_usd: float = 0.0
    """By how many US dollars."""
    tokens: int = 0
    """By how many tokens."""


class ProviderUnavailable(Fact, frozen=True, tag="model.unavailable"):
    """Calls of a provider in a row have failed: none is made for a while."""

    level: ClassVar[LogLevel] = "warning"

    provider: str
    """The provider."""
    failures: int
    """How many calls in a row failed."""
    until: Instant
    """When one call tries it again."""
    error: str | None = None
    """Why the last one failed."""


class ProviderAvailable(Fact, frozen=True, tag="model.available"):
    """A provider that was unavailable has answered a call."""

    provider: str
    """The provider."""
