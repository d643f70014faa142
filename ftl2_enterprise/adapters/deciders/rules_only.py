"""The decider of a loop that has neither a manifest nor a model: its rules decide alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.ports import ModelCallLog, PromptAnswer, Situation


class RulesDecider:
    """In sync when every rule's condition could be judged and none holds; it never acts itself."""

    name: str = "rules"
    is_model: bool = False

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """Nothing: rules name what they observe."""
        return ()

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Converged, or which rules still see something to do."""
        matched = list(situation.matched_rules)
        unjudged = [f"rule {name}: {why}" for name, why in situation.unjudged_rules]
        if matched or unjudged:
            # Whoever decides is asked when no rule may fire: those that match have fired in the iteration before.
            held = [f"rule {name}: its condition still holds although it has fired" for name in matched]
            said = held + ([f"cannot judge {'; '.join(unjudged)}"] if unjudged else [])
            # Nobody knows whether something is out of place where a rule cannot be judged.
            return Decision(reasoning="; ".join(said), unmet=held)
        if not situation.rules:
            return Decision(reasoning="There are no rules, so nothing is out of place.", converged=True)
        return Decision(reasoning="No rule's condition holds.", converged=True)
