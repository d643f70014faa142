"""The decider of a loop that has neither a manifest nor a model: its rules decide alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.decision import Decision, ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.ports import Answer, CallJournal, Situation


class RulesDecider:
    """In sync when every rule's condition could be judged and none holds; it never acts itself."""

    name: str = "rules"
    is_model: bool = False

    def observations(self, answers: Sequence[Answer]) -> Sequence[ObservationSpec]:
        """Nothing: rules name what they observe."""
        return ()

    async def decide(self, situation: Situation, calls: CallJournal) -> Decision:
        """Converged, or which rules still see something to do."""
        matched = list(situation.matched_rules)
        unjudged = [name for name, _ in situation.unjudged_rules]
        if matched or unjudged:
            said = [f"The condition of {_names(matched)} still holds."] if matched else []
            said += [f"The condition of {_names(unjudged)} cannot be judged."] if unjudged else []
            return Decision(
                reasoning=" ".join(said),
                unmet=[f"rule {name}: its condition holds" for name in matched]
                + [f"rule {name}: {why}" for name, why in situation.unjudged_rules],
            )
        if not situation.rules:
            return Decision(reasoning="There are no rules, so nothing is out of place.", converged=True)
        return Decision(reasoning=f"No condition of the {len(situation.rules)} rules holds.", converged=True)


def _names(rules: Sequence[str]) -> str:
    return f"rule {rules[0]}" if len(rules) == 1 else f"rules {', '.join(rules)}"
