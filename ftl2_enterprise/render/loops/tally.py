"""Counts over the facts of a loop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Counts over the facts that this process has received."""

    iterations: int = 0
    changed: int = 0
    ok: int = 0
    failed: int = 0
    denied: int = 0
    rejected: int = 0
    unapproved: int = 0
    """Actions that people did not decide about."""
    unknown: int = 0
    skipped: int = 0
    previewed: int = 0
    would_ask: int = 0
    """Previewed actions that people would have to approve."""
    converged: int = 0
    drifted: int = 0
    questions: int = 0
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def actions(self) -> int:
        """The number of actions with any outcome."""
        refused = self.denied + self.rejected + self.unapproved
        return self.changed + self.ok + self.failed + refused + self.unknown + self.skipped + self.previewed
