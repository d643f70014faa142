"""What follows a run. Pure: outcome in, decision out."""

from __future__ import annotations

from dataclasses import dataclass

from ftl2_enterprise.core.backoff import exponential, jittered
from ftl2_enterprise.protocol.loops.facts import LoopBlocked, LoopCancelled, LoopCompleted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import Mode, Outcome


@dataclass(frozen=True, kw_only=True)
class LoopEnd:
    """The loop ends, or stops until a person does something about it."""

    fact: type[EndFact]
    """What is recorded of it."""


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The loop runs again later."""

    delay: float
    """Seconds."""
    failures: int


type EndFact = LoopBlocked | LoopCompleted | LoopFailed | LoopCancelled

ENDS: dict[Outcome, type[EndFact]] = {
    Outcome.CONVERGED: LoopCompleted,
    Outcome.PREVIEWED: LoopCompleted,
    Outcome.BLOCKED: LoopBlocked,
    Outcome.NOT_CONVERGED: LoopFailed,
    Outcome.DENIED: LoopFailed,
    Outcome.MODEL_FAILED: LoopFailed,
    Outcome.FAILED: LoopFailed,
    Outcome.CANCELLED: LoopCancelled,
}


def after_run(
    outcome: Outcome, mode: Mode, *, failures: int, interval: float, jitter: float, cap: float, random: float
) -> LoopEnd | Rest:
    """End, or rest and for how long.

    A continuous loop rests for its interval when in sync, and ever longer after each run that did not get there.
    Blocked, denied and previewed need a person, so they end a continuous loop as well.
    """
    stays = {Outcome.CONVERGED, Outcome.NOT_CONVERGED, Outcome.MODEL_FAILED}
    if mode is not Mode.CONTINUOUS or outcome not in stays:
        return LoopEnd(fact=ENDS[outcome])
    if outcome is Outcome.CONVERGED:
        return Rest(delay=jittered(interval, jitter=jitter, random=random), failures=0)
    delay = exponential(failures + 1, base=interval, cap=max(cap, interval))
    return Rest(delay=jittered(delay, jitter=jitter, random=random), failures=failures + 1)
