"""The decider of a loop with neither a manifest nor a model: only its rules act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.sentences import listed
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.ports import ModelCallLog, PromptAnswer, Situation


class RulesDecider:
    """Converges when every condition of at least one rule could be evaluated and none holds; it plans no actions."""

    name: str = "rules"
    is_model: bool = False

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """None: rules declare their observations."""
        return ()

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Converged, or the rules whose condition still holds."""
        matched = list(situation.matched_rules)
        unjudged = [f"rule {name}: {why}" for name, why in situation.unjudged_rules]
        if matched or unjudged:
            # The decider is called when no rule may fire, so the matching rules fired in the previous iteration.
            held = [f"rule {name}: its condition still holds although it has fired" for name in matched]
            reasons = held + ([f"cannot evaluate {'; '.join(unjudged)}"] if unjudged else [])
            # Without evaluating every rule, the state is unknown.
            return Decision(reasoning="; ".join(reasons), unmet=held)
        if not situation.rules:
            disabled = f"; disabled: {listed(situation.disabled_rules)}" if situation.disabled_rules else ""
            return Decision(reasoning=f"No rule applies to this loop, so nothing was checked{disabled}.")
        return Decision(reasoning="No rule's condition holds.", converged=True)
