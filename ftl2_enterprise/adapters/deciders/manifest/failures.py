"""Steps that keep failing: which one it is, and how a person decided on it. Pure.

The question about such a step has the key `failed:N:NAME`, where N counts the questions about that step, so that each
is a separate question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.adapters.deciders.manifest.plan import PlannedStep
    from ftl2_enterprise.loops.ports import PastIteration, PromptAnswer
    from ftl2_enterprise.protocol.loops.nouns import Action

RETRY, LEAVE_OUT, STOP = "try again", "leave this step out", "stop"
"""The options of the question."""
_FAILED = "failed:"
_FAILURES = frozenset({ActionState.FAILED, ActionState.DENIED, ActionState.UNKNOWN})
"""What counts as a failure of an iteration."""


@dataclass(frozen=True, kw_only=True)
class FailedStep:
    """A step that failed, and how often in a row."""

    step: PlannedStep
    host: str
    times: int = 1
    error: str | None = None


def question_key(step: str, answers: Sequence[PromptAnswer]) -> str:
    """The key of the next question about the step."""
    return f"{_FAILED}{sum(step_of(one.key) == step for one in answers) + 1}:{step}"


def step_of(key: str) -> str | None:
    """The step that a question is about; None for a question of the manifest itself."""
    return key.split(":", 2)[2] if key.startswith(_FAILED) and key.count(":") >= 2 else None


def left_out(steps: Sequence[PlannedStep], answers: Sequence[PromptAnswer]) -> set[str]:
    """The steps that a person left out, by the last answer about each, and all steps that require them.

    That holds until the desired state is changed.
    """
    current = [one for one in answers if one.is_current]
    words = {name: answer.answer for answer in current if (name := step_of(answer.key)) is not None}
    left = {name for name, word in words.items() if word == LEAVE_OUT}
    while more := {one.step.name for one in steps if left.intersection(one.step.requires)} - left:
        left |= more
    return left


def last_failed(candidates: Sequence[tuple[PlannedStep, str]], past: Sequence[PastIteration]) -> FailedStep | None:
    """The candidate that failed last; None if no failure of the last iteration with failures is one of them."""
    for one in reversed(past):
        failed = [action for action in one.actions if action.state in _FAILURES]
        for action in failed:
            for step, host in candidates:
                if _is_from(action, step, host):
                    return FailedStep(step=step, host=host, times=_in_a_row(past, step, host), error=action.error)
        if failed:
            break
    return None


def _is_from(action: Action, step: PlannedStep, host: str) -> bool:
    return (action.step, action.host) == (step.step.name, host)


def _in_a_row(past: Sequence[PastIteration], step: PlannedStep, host: str) -> int:
    count = 0
    for one in reversed(past):
        if one.outcome == IterationOutcome.ASKED:
            continue
        if not any(action.state in _FAILURES and _is_from(action, step, host) for action in one.actions):
            break
        count += 1
    return max(count, 1)
