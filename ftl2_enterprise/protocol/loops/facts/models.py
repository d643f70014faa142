"""Facts about calls of models."""

from __future__ import annotations

from typing import override

from ftl2_enterprise.protocol.fact import LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import IterationFact
from ftl2_enterprise.protocol.loops.nouns import CallOutcome


class ModelAsked(IterationFact, frozen=True, tag="model.asked"):
    """A call of a model began."""

    call_id: int
    """The call."""
    purpose: str
    """Purpose of the call: `decide` or `repair`."""
    provider: str
    """The provider of the model."""
    model: str | None = None
    """The requested model; null: the provider's default."""


class ModelAnswered(IterationFact, frozen=True, tag="model.answered"):
    """A call of a model ended."""

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
