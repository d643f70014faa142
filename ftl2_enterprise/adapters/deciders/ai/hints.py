"""Hints for the next decision, derived from the results of recent iterations. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl2_enterprise.loops.ports import PastIteration, Situation

NOT_DONE = frozenset({ActionState.FAILED, ActionState.DENIED, ActionState.SKIPPED, ActionState.UNKNOWN,
                      ActionState.RUNNING, ActionState.PROPOSED})  # fmt: skip
"""States in which an action did not, or not certainly, have its intended effect."""


def hints(situation: Situation) -> Iterator[str]:
    """The hints, one line each, the most important one last."""
    if situation.past:
        yield from _last(situation.past[-1].actions)
    yield from _idle(idle_iterations(situation.past))
    if failed := sum(not one.success for one in situation.seen):
        yield f"{failed} of {len(situation.seen)} observations failed; they prove nothing about the state."
    if situation.matched_rules:
        names = ", ".join(situation.matched_rules)
        yield f"The condition of {names} holds now, and the rule did not resolve it: handle its case yourself."
    if situation.unknown:
        yield (
            f"Actions that were interrupted while they ran: {len(situation.unknown)}. Their effect is unknown."
            " Verify by observation before you rely on them or repeat them."
        )
    if situation.dry_run:
        yield "This is a dry run: your actions are shown to people and not executed. Decide as if they were."
    if situation.must_ask:
        yield (
            "Too many iterations in a row failed. You must ask a person now: give `ask` and no actions (or `blocked`,"
            " if no answer could help; or `converged`, if what you see proves it)."
        )


def idle_iterations(past: Sequence[PastIteration]) -> int:
    """How many of the latest iterations in a row only observed, without acting, asking or an interruption."""
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
    executed = [one for one in actions if one.state is ActionState.SUCCEEDED]
    if not executed:
        return
    changed = sum(one.changed is True for one in executed)
    if changed:
        yield (
            f"The last {len(executed)} actions all succeeded ({changed} changed something). The observations were"
            " made after them: converge if they prove the desired state, otherwise observe what is missing."
        )
    else:
        yield (
            f"The last {len(executed)} actions all succeeded and changed nothing: what they cover is already as"
            " desired. Converge if they and the observations cover everything."
        )


def _idle(count: int) -> Iterator[str]:
    if count == 1:
        yield "The last iteration only observed; act now if you know enough."
    elif count > 1:
        yield f"The last {count} iterations only observed: act, converge, ask, or give the reason why it is blocked."
