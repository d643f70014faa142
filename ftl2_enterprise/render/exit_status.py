"""Exit statuses: each way in which a command can end has its own."""

from __future__ import annotations

from enum import IntEnum

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Outcome


class Exit(IntEnum):
    """What the shell gets."""

    OK = 0
    NOT_CONVERGED = 1
    USAGE = 2
    BLOCKED = 3
    DENIED = 4
    MODEL_FAILED = 5
    STOPPED = 6
    WOULD_CHANGE = 7
    WAITING = 8
    FAILED = 9
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFLICT = 75


MEANINGS: dict[Exit, str] = {
    Exit.OK: "converged, or the command did its work; a dry run found nothing to change",
    Exit.NOT_CONVERGED: "not converged: the iterations were not enough",
    Exit.USAGE: "wrong usage or bad input; nothing was changed",
    Exit.BLOCKED: "blocked: the loop cannot go on without a person",
    Exit.DENIED: "denied: policy leaves nothing to do",
    Exit.MODEL_FAILED: "model failed: no decision could be had",
    Exit.STOPPED: "stopped or cancelled; `run --resume LOOP` goes on",
    Exit.WOULD_CHANGE: "a dry run found changes that would be made",
    Exit.WAITING: "waiting for an answer to a prompt",
    Exit.FAILED: "failed in another way; the reason is shown",
    Exit.UNAVAILABLE: "unavailable: the disk is full, the database is locked; try again later",
    Exit.INTERNAL: "internal error; details are in the log file that is named",
    Exit.CONFLICT: "conflict: another process runs the loop, the name is taken, or the prompt is answered",
}

OUTCOMES: dict[Outcome, Exit] = {
    Outcome.CONVERGED: Exit.OK,
    Outcome.PREVIEWED: Exit.WOULD_CHANGE,
    Outcome.NOT_CONVERGED: Exit.NOT_CONVERGED,
    Outcome.BLOCKED: Exit.BLOCKED,
    Outcome.DENIED: Exit.DENIED,
    Outcome.MODEL_FAILED: Exit.MODEL_FAILED,
    Outcome.CANCELLED: Exit.STOPPED,
    Outcome.FAILED: Exit.FAILED,
}


def exit_of(loop: Loop) -> Exit:
    """The status for a loop that this process has stopped running."""
    match loop.state:
        case LoopState.WAITING:
            return Exit.WAITING
        case LoopState.BLOCKED:
            return Exit.BLOCKED
        case LoopState.PAUSED:
            return Exit.STOPPED
        case LoopState.RESTING:
            # A continuous loop never ends; whoever followed it wants to know how its last run went.
            return Exit.NOT_CONVERGED if loop.failures else Exit.OK
        case _ if loop.outcome is not None:
            return OUTCOMES[loop.outcome]
        case _:
            return Exit.STOPPED


def summary() -> str:
    """The table of `--help`."""
    return "\n".join(f"{status.value:>4}  {meaning}" for status, meaning in MEANINGS.items())
