"""What the recent iterations say about the next decision. Pure; judged by what actions really came to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl2_enterprise.loops.ports import PastIteration, Situation

NOT_DONE = frozenset({ActionState.FAILED, ActionState.DENIED, ActionState.SKIPPED, ActionState.UNKNOWN,
                      ActionState.RUNNING, ActionState.PROPOSED})  # fmt: skip
"""States in which an action did not, or not surely, do what it was meant to."""


def hints(situation: Situation) -> Iterator[str]:
    """One line each, the most binding last."""
    if situation.past:
        yield from _last(situation.past[-1].actions)
    yield from _idle(idle_iterations(situation.past))
    if failed := sum(not one.success for one in situation.seen):
        yield f"{failed} of {len(situation.seen)} observations failed; they prove nothing about what they looked at."
    if situation.matched_rules:
        names = ", ".join(situation.matched_rules)
        yield f"The condition of {names} holds now, and the rule could not settle it: look at its case yourself."
    if situation.unknown:
        yield (
            f"Actions that were cut off while in flight: {len(situation.unknown)}. What they did is unknown."
            " Verify by observation before you rely on them or repeat them."
        )
    if situation.dry_run:
        yield "This is a dry run: your actions are shown to people and not carried out. Decide as if they were."
    if situation.must_ask:
        yield (
            "Too many iterations in a row failed. You must ask a person now: give `ask` and no actions (or `blocked`,"
            " if no answer could help; or `converged`, if what you see proves it)."
        )


def idle_iterations(past: Sequence[PastIteration]) -> int:
    """How many of the latest iterations in a row only looked. Asking, acting and being interrupted is not idle."""
    count = 0
    for one in reversed(past):
        if one.actions or one.outcome != IterationOutcome.OBSERVED:
            break
        count += 1
    return count


def _last(actions: Sequence[Action]) -> Iterator[str]:
    if not actions:
        return
    undone = Counter(str(one.state) for one in actions if one.state in NOT_DONE)
    if undone:
        states = ", ".join(f"{count} {state}" for state, count in sorted(undone.items()))
        yield f"Of the last {len(actions)} actions {states}: those are not done, whatever else succeeded."
        return
    carried_out = [one for one in actions if one.state is ActionState.SUCCEEDED]
    if not carried_out:
        return
    changed = sum(one.changed is True for one in carried_out)
    if changed:
        yield (
            f"The last {len(carried_out)} actions all succeeded ({changed} changed something). The observations were"
            " made after them: converge if they prove the desired state, otherwise observe what is missing."
        )
    else:
        yield (
            f"The last {len(carried_out)} actions all succeeded and changed nothing: what they cover is already as"
            " desired. Converge if they and the observations cover everything."
        )


def _idle(count: int) -> Iterator[str]:
    if count == 1:
        yield "The last iteration only looked around; act now if you know enough."
    elif count > 1:
        yield f"The last {count} iterations only looked around: act, converge, ask, or say why it is blocked."
