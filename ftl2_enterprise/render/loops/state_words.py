"""Words, symbols and roles of states, outcomes and conditions. No two outcomes share a word."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.approvals import Denial, denial_of
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Condition,
    IterationOutcome,
    LoopState,
    Outcome,
)
from ftl2_enterprise.render.text import Role, Span, symbol

WORD_COLUMNS = 9
"""Width of the words of actions, so that what follows is aligned."""

ACTION_WORDS: dict[str, tuple[str, str, Role]] = {
    "changed": ("✔", "changed", Role.CHANGED),
    "ok": ("✔", "ok", Role.GOOD),
    "failed": ("✘", "FAILED", Role.BAD),
    "denied": ("⊘", "DENIED", Role.BAD),
    "rejected": ("⊘", "rejected", Role.WARNING),
    "unapproved": ("⊘", "not approved", Role.FAINT),
    "unknown": ("?", "UNKNOWN", Role.WARNING),
    "skipped": ("↷", "skipped", Role.FAINT),
    "previewed": ("△", "would run", Role.ACCENT),
    "running": ("●", "running", Role.ACCENT),
    "proposed": ("○", "proposed", Role.FAINT),
}

OUTCOME_WORDS: dict[Outcome, tuple[str, str, Role]] = {
    Outcome.CONVERGED: ("✔", "converged", Role.GOOD),
    Outcome.PREVIEWED: ("△", "previewed", Role.ACCENT),
    Outcome.NOT_CONVERGED: ("✘", "not converged", Role.BAD),
    Outcome.BLOCKED: ("■", "blocked", Role.BAD),
    Outcome.DENIED: ("⊘", "denied", Role.BAD),
    Outcome.UNAPPROVED: ("⊘", "not approved", Role.BAD),
    Outcome.DRIFTED: ("△", "drifted", Role.WARNING),
    Outcome.MODEL_FAILED: ("✘", "model failed", Role.BAD),
    Outcome.CANCELLED: ("■", "cancelled", Role.WARNING),
    Outcome.FAILED: ("✘", "failed", Role.BAD),
}

STATE_ROLES: dict[LoopState, Role] = {
    LoopState.PENDING: Role.FAINT,
    LoopState.RUNNING: Role.ACCENT,
    LoopState.WAITING: Role.WARNING,
    LoopState.RESTING: Role.GOOD,
    LoopState.PAUSED: Role.WARNING,
    LoopState.BLOCKED: Role.BAD,
    LoopState.COMPLETED: Role.GOOD,
    LoopState.FAILED: Role.BAD,
    LoopState.CANCELLED: Role.FAINT,
}

STATE_SYMBOLS: dict[LoopState, str] = {
    LoopState.PENDING: "○",
    LoopState.RUNNING: "●",
    LoopState.WAITING: "?",
    LoopState.RESTING: "◌",
    LoopState.PAUSED: "■",
    LoopState.BLOCKED: "⊘",
    LoopState.COMPLETED: "✔",
    LoopState.FAILED: "✘",
    LoopState.CANCELLED: "■",
}

CONDITION_WORDS: dict[Condition, tuple[str, Role]] = {
    Condition.IN_SYNC: ("in sync", Role.GOOD),
    Condition.DRIFTED: ("drifted", Role.WARNING),
    Condition.UNKNOWN: ("unknown", Role.FAINT),
}

EXPLAINED_BY_ACTIONS = {IterationOutcome.DENIED, IterationOutcome.UNAPPROVED}
"""Outcomes of iterations whose error repeats the reasons of their actions."""

ITERATION_WORDS: dict[IterationOutcome, tuple[str, Role]] = {
    IterationOutcome.CONVERGED: ("converged", Role.GOOD),
    IterationOutcome.CHECK_HELD: ("check held", Role.GOOD),
    IterationOutcome.RULE_FIRED: ("rule fired", Role.CHANGED),
    IterationOutcome.ACTED: ("acted", Role.CHANGED),
    IterationOutcome.OBSERVED: ("observed", Role.PLAIN),
    IterationOutcome.DELAYED: ("delayed", Role.FAINT),
    IterationOutcome.ASKED: ("asked", Role.WARNING),
    IterationOutcome.PREVIEWED: ("previewed", Role.ACCENT),
    IterationOutcome.BLOCKED: ("blocked", Role.BAD),
    IterationOutcome.DENIED: ("denied", Role.BAD),
    IterationOutcome.UNAPPROVED: ("not approved", Role.BAD),
    IterationOutcome.DRIFTED: ("drifted", Role.WARNING),
    IterationOutcome.MODEL_FAILED: ("model failed", Role.BAD),
    IterationOutcome.INTERRUPTED: ("interrupted", Role.WARNING),
    IterationOutcome.FAILED: ("failed", Role.BAD),
}


def kind_of(action: Action) -> str:
    """The key of ACTION_WORDS for an action: `changed` or `ok` for a success, else its state."""
    if action.state is ActionState.SUCCEEDED:
        return "changed" if action.changed else "ok"
    return denial_kind(action.error) if action.state is ActionState.DENIED else str(action.state)


def denial_kind(reason: str | None) -> str:
    """The key of ACTION_WORDS for an action that was not allowed: by policy, by a person, or by no one."""
    match denial_of(reason):
        case Denial.POLICY:
            return "denied"
        case Denial.REJECTED:
            return "rejected"
        case Denial.EXPIRED | Denial.DISMISSED | Denial.UNATTENDED:
            return "unapproved"


def action_mark(kind: str) -> tuple[Span, Span]:
    """Symbol and padded word of an action's result, by its key in ACTION_WORDS."""
    sign, word, role = ACTION_WORDS[kind]
    return symbol(sign, role), Span(word.ljust(WORD_COLUMNS), role)
