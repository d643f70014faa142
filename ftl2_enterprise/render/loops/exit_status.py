"""Exit statuses of commands that run or follow a loop: each outcome has its own."""

from __future__ import annotations

from enum import IntEnum

from ftl2_enterprise.protocol.loops.nouns import Condition, Loop, LoopRemediation, LoopState, Outcome


class LoopExit(IntEnum):
    """How a loop ended, or its state when the command stopped following it."""

    CONVERGED = 0
    NOT_CONVERGED = 1
    BLOCKED = 3
    DENIED = 4
    MODEL_FAILED = 5
    STOPPED = 6
    WOULD_CHANGE = 7
    WAITING = 8
    FAILED = 9
    DRIFTED = 10
    UNAPPROVED = 11
    FROZEN = 12
    VOID = 13


MEANINGS: dict[LoopExit, str] = {
    LoopExit.CONVERGED: "converged; a dry run found nothing to change",
    LoopExit.NOT_CONVERGED: "not converged: the run ended with something still out of place, or not observed",
    LoopExit.BLOCKED: "blocked: the loop cannot continue until someone resolves the cause",
    LoopExit.DENIED: "denied: policy forbids all remaining actions",
    LoopExit.MODEL_FAILED: "model failed: the model made no decision",
    LoopExit.STOPPED: "paused, stopped or cancelled",
    LoopExit.WOULD_CHANGE: "a dry run found something to change",
    LoopExit.WAITING: "waiting for the answer to a prompt",
    LoopExit.FAILED: "failed for another reason, given in the message",
    LoopExit.DRIFTED: "drifted: something is out of place, and the remediation of the loop is `never`",
    LoopExit.UNAPPROVED: "unapproved: the actions were rejected, or not approved in time",
    LoopExit.FROZEN: "frozen: the loop waits for the end of a freeze",
    LoopExit.VOID: "void: something had changed, so the actions that were approved were not executed",
}

OUTCOMES: dict[Outcome, LoopExit] = {
    Outcome.CONVERGED: LoopExit.CONVERGED,
    Outcome.PREVIEWED: LoopExit.WOULD_CHANGE,
    Outcome.NOT_CONVERGED: LoopExit.NOT_CONVERGED,
    Outcome.BLOCKED: LoopExit.BLOCKED,
    Outcome.DENIED: LoopExit.DENIED,
    Outcome.UNAPPROVED: LoopExit.UNAPPROVED,
    Outcome.DRIFTED: LoopExit.DRIFTED,
    Outcome.MODEL_FAILED: LoopExit.MODEL_FAILED,
    Outcome.CANCELLED: LoopExit.STOPPED,
    Outcome.FAILED: LoopExit.FAILED,
}


def exit_of(loop: Loop, rested: Outcome | None = None) -> LoopExit:
    """The exit status of a command that ran or followed the loop, from its current state.

    `rested` is the outcome of the run after which it rests, if that is known: a row has that of a loop that ended.
    """
    match loop.state:
        case LoopState.WAITING:
            return LoopExit.WAITING
        case LoopState.BLOCKED:
            return LoopExit.BLOCKED
        case LoopState.PAUSED:
            return LoopExit.STOPPED
        case LoopState.RESTING if loop.frozen_by is not None:
            return LoopExit.FROZEN
        case LoopState.RESTING:
            return _of_last_run(loop) if rested is None else OUTCOMES[rested]
        case _ if loop.outcome is not None:
            return OUTCOMES[loop.outcome]
        case _:
            return LoopExit.STOPPED


def _of_last_run(loop: Loop) -> LoopExit:
    """A continuous loop does not end: the result of its last run counts."""
    if loop.failures:
        return LoopExit.NOT_CONVERGED
    if loop.condition is not Condition.DRIFTED:
        return LoopExit.CONVERGED
    return LoopExit.DRIFTED if loop.spec.remediation is LoopRemediation.NEVER else LoopExit.UNAPPROVED
