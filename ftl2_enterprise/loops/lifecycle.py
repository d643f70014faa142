"""The lifecycles of loops.

Guarded UPDATEs, CHECK constraints, property tests, sets of states and diagrams derive from these.
"""

from __future__ import annotations

from enum import StrEnum

from ftl2_enterprise.core.state_machine import Machine
from ftl2_enterprise.protocol.loops.approvals import ApprovalState as V
from ftl2_enterprise.protocol.loops.facts import (
    LoopAnswered,
    LoopAsked,
    LoopBlocked,
    LoopCancelled,
    LoopCompleted,
    LoopFailed,
    LoopFrozen,
    LoopPaused,
    LoopRested,
    LoopRetried,
    LoopStarted,
)
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState as A,
    BreakerState as B,
    IterationState as I,
    LoopState as L,
    PromptState as P,
)


class LoopEvent(StrEnum):
    """Events that change the state of a loop. `LOOP_EVENTS` has the fact that records each."""

    STARTED = "started"
    RETRIED = "retried"
    ASKED = "asked"
    ANSWERED = "answered"
    RESTED = "rested"
    PAUSED = "paused"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LOOP = Machine(
    "loop",
    L,
    L.PENDING,
    {
        L.PENDING: {
            LoopEvent.STARTED: L.RUNNING,
            LoopEvent.PAUSED: L.PAUSED,
            LoopEvent.CANCELLED: L.CANCELLED,
            LoopEvent.FAILED: L.FAILED,
        },
        L.RUNNING: {
            LoopEvent.STARTED: L.RUNNING,
            LoopEvent.ASKED: L.WAITING,
            LoopEvent.RESTED: L.RESTING,
            LoopEvent.PAUSED: L.PAUSED,
            LoopEvent.BLOCKED: L.BLOCKED,
            LoopEvent.COMPLETED: L.COMPLETED,
            LoopEvent.FAILED: L.FAILED,
            LoopEvent.CANCELLED: L.CANCELLED,
        },
        L.WAITING: {
            LoopEvent.STARTED: L.WAITING,
            LoopEvent.ANSWERED: L.RUNNING,
            LoopEvent.PAUSED: L.PAUSED,
            LoopEvent.FAILED: L.FAILED,
            LoopEvent.CANCELLED: L.CANCELLED,
        },
        L.RESTING: {
            LoopEvent.STARTED: L.RUNNING,
            LoopEvent.PAUSED: L.PAUSED,
            LoopEvent.FAILED: L.FAILED,
            LoopEvent.CANCELLED: L.CANCELLED,
        },
        L.PAUSED: {
            LoopEvent.STARTED: L.RUNNING,
            LoopEvent.FAILED: L.FAILED,
            LoopEvent.CANCELLED: L.CANCELLED,
        },
        L.BLOCKED: {
            LoopEvent.STARTED: L.RUNNING,
            LoopEvent.RETRIED: L.PENDING,
            LoopEvent.CANCELLED: L.CANCELLED,
        },
        L.FAILED: {LoopEvent.STARTED: L.RUNNING, LoopEvent.RETRIED: L.PENDING},
    },
)
"""A failed loop may be started again, by `run --resume` in the foreground or by `retry` in the service, which starts
it when a process is available. Completed and cancelled are final.
"""
ENDED_LOOPS: tuple[L, ...] = tuple(state for state in LOOP.states if LoopEvent.CANCELLED not in LOOP.table[state])
"""A loop in one of these does nothing, so it cannot be cancelled either. Only a failed one can be started again."""
PAUSABLE: frozenset[L] = frozenset(LOOP.sources(LoopEvent.PAUSED))
"""States in which a loop can be paused: it runs, or will continue without a request."""
RETRYABLE: frozenset[L] = frozenset(LOOP.sources(LoopEvent.RETRIED))
"""States that a loop leaves only by `retry` or `start`."""


type MovingFact = (
    LoopStarted
    | LoopRetried
    | LoopAsked
    | LoopAnswered
    | LoopRested
    | LoopFrozen
    | LoopPaused
    | LoopBlocked
    | LoopCompleted
    | LoopFailed
    | LoopCancelled
)
"""A fact that records a change of a loop's state."""
LOOP_EVENTS: dict[type[MovingFact], LoopEvent] = {
    LoopStarted: LoopEvent.STARTED,
    LoopRetried: LoopEvent.RETRIED,
    LoopAsked: LoopEvent.ASKED,
    LoopAnswered: LoopEvent.ANSWERED,
    LoopRested: LoopEvent.RESTED,
    LoopFrozen: LoopEvent.RESTED,
    LoopPaused: LoopEvent.PAUSED,
    LoopBlocked: LoopEvent.BLOCKED,
    LoopCompleted: LoopEvent.COMPLETED,
    LoopFailed: LoopEvent.FAILED,
    LoopCancelled: LoopEvent.CANCELLED,
}
"""The event that each of these facts records."""


class IterationEvent(StrEnum):
    """Events that change the state of an iteration."""

    OBSERVED = "observed"
    DECIDED = "decided"
    ASKED = "asked"
    ENDED = "ended"


ITERATION = Machine(
    "iteration",
    I,
    I.OBSERVING,
    {
        I.OBSERVING: {
            IterationEvent.OBSERVED: I.DECIDING,
            IterationEvent.DECIDED: I.EXECUTING,
            IterationEvent.ENDED: I.ENDED,
        },
        I.DECIDING: {
            IterationEvent.DECIDED: I.EXECUTING,
            IterationEvent.ASKED: I.ASKING,
            IterationEvent.ENDED: I.ENDED,
        },
        I.ASKING: {IterationEvent.ENDED: I.ENDED},
        I.EXECUTING: {IterationEvent.ENDED: I.ENDED},
    },
)


class ActionEvent(StrEnum):
    """Events that change the state of an action. `loops.units.actions` emits a fact for each."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    PREVIEWED = "previewed"
    SKIPPED = "skipped"
    LOST = "lost"
    """Its process died while it ran: its effect is unknown."""


ACTION = Machine(
    "action",
    A,
    A.PROPOSED,
    {
        A.PROPOSED: {
            ActionEvent.STARTED: A.RUNNING,
            ActionEvent.FAILED: A.FAILED,
            ActionEvent.DENIED: A.DENIED,
            ActionEvent.PREVIEWED: A.PREVIEWED,
            ActionEvent.SKIPPED: A.SKIPPED,
        },
        A.RUNNING: {
            ActionEvent.SUCCEEDED: A.SUCCEEDED,
            ActionEvent.FAILED: A.FAILED,
            ActionEvent.LOST: A.UNKNOWN,
            ActionEvent.DENIED: A.DENIED,
            ActionEvent.SKIPPED: A.SKIPPED,
        },
    },
)
"""A running action is denied, or skipped if it is frozen, when the gate no longer allows it and it is about to be
sent: nothing was sent."""


class PromptEvent(StrEnum):
    """Events that change the state of a prompt. `loops.rows.prompts` emits a fact for each."""

    ANSWERED = "answered"
    EXPIRED = "expired"
    DISMISSED = "dismissed"


PROMPT = Machine(
    "prompt",
    P,
    P.OPEN,
    {
        P.OPEN: {
            PromptEvent.ANSWERED: P.ANSWERED,
            PromptEvent.EXPIRED: P.EXPIRED,
            PromptEvent.DISMISSED: P.DISMISSED,
        },
    },
)


class BreakerEvent(StrEnum):
    """Events that change the state of a provider's circuit breaker. `loops.rows.providers` records them."""

    FAILED = "failed"
    """Too many calls in a row failed, or the probe did."""
    PROBED = "probed"
    """One call may try whether the provider is available again."""
    RECOVERED = "recovered"
    """The probe was answered."""
    LOST = "lost"
    """The process of the probe died, or the probe was stopped: the next call probes."""


BREAKER = Machine(
    "breaker",
    B,
    B.CLOSED,
    {
        B.CLOSED: {BreakerEvent.FAILED: B.OPEN},
        B.OPEN: {BreakerEvent.PROBED: B.HALF_OPEN},
        B.HALF_OPEN: {
            BreakerEvent.FAILED: B.OPEN,
            BreakerEvent.RECOVERED: B.CLOSED,
            BreakerEvent.LOST: B.OPEN,
        },
    },
)
"""The circuit breaker of a provider: closed while calls are answered, open while none is made. It has no final
state."""


class ApprovalEvent(StrEnum):
    """Events that change the state of a request for approval. `loops.rows.approvals` emits a fact for each."""

    APPROVED = "approved"
    """The last person who had to agree did."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOIDED = "voided"
    USED = "used"


APPROVAL = Machine(
    "approval",
    V,
    V.OPEN,
    {
        V.OPEN: {
            ApprovalEvent.APPROVED: V.APPROVED,
            ApprovalEvent.REJECTED: V.REJECTED,
            ApprovalEvent.EXPIRED: V.EXPIRED,
            ApprovalEvent.VOIDED: V.VOID,
        },
        V.APPROVED: {
            ApprovalEvent.EXPIRED: V.EXPIRED,
            ApprovalEvent.VOIDED: V.VOID,
            ApprovalEvent.USED: V.USED,
        },
        V.REJECTED: {ApprovalEvent.VOIDED: V.VOID},
    },
)
"""A used approval is final: nothing is executed twice with it.

A rejection is void when a person lets the loop ask again.
"""


TITLE = "Loops"
"""Title of the section in the reference."""

MACHINES = (LOOP, ITERATION, ACTION, PROMPT, APPROVAL, BREAKER)
"""Every lifecycle of loops, in the order of the reference."""
