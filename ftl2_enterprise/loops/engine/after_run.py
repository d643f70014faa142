"""What happens to a loop after a run. Pure: outcome in, decision out."""

from __future__ import annotations

from dataclasses import dataclass

from ftl2_enterprise.core.backoff import exponential, jittered
from ftl2_enterprise.protocol.loops.facts import LoopBlocked, LoopCancelled, LoopCompleted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import Mode, Outcome


@dataclass(frozen=True, kw_only=True)
class LoopEnd:
    """The loop ends, or is blocked until a person acts."""

    fact: type[EndingFact]
    """The fact to record."""


@dataclass(frozen=True, kw_only=True)
class LoopRest:
    """The loop rests and runs again later."""

    delay: float
    """Seconds."""
    failures: int
    """Consecutive runs that did not converge."""


type EndingFact = LoopBlocked | LoopCompleted | LoopFailed | LoopCancelled

ENDS: dict[Outcome, type[EndingFact]] = {
    Outcome.CONVERGED: LoopCompleted,
    Outcome.PREVIEWED: LoopCompleted,
    Outcome.BLOCKED: LoopBlocked,
    Outcome.NOT_CONVERGED: LoopFailed,
    Outcome.DENIED: LoopFailed,
    Outcome.UNAPPROVED: LoopFailed,
    Outcome.DRIFTED: LoopFailed,
    Outcome.MODEL_FAILED: LoopFailed,
    Outcome.FAILED: LoopFailed,
    Outcome.CANCELLED: LoopCancelled,
}


def after_run(
    outcome: Outcome, mode: Mode, *, failures: int, interval: float, jitter: float, cap: float, random: float
) -> LoopEnd | LoopRest:
    """Decide whether the loop ends, or rests and for how long.

    A continuous loop rests for its interval when in sync, and with growing delays after runs that did not converge.
    So it does after a denial: what policy allows is still kept as desired, and the policy may change.
    Blocked and previewed need a person, so they end a continuous loop, too.
    Without an approval, or if it may only report drift, it observes again after its interval: nothing has failed.
    """
    continues = {
        Outcome.CONVERGED, Outcome.NOT_CONVERGED, Outcome.DENIED, Outcome.MODEL_FAILED, Outcome.UNAPPROVED,
        Outcome.DRIFTED,
    }  # fmt: skip
    if mode is not Mode.CONTINUOUS or outcome not in continues:
        return LoopEnd(fact=ENDS[outcome])
    if outcome in {Outcome.CONVERGED, Outcome.UNAPPROVED, Outcome.DRIFTED}:
        return LoopRest(delay=jittered(interval, jitter=jitter, random=random), failures=0)
    return rest_after_failure(failures, interval=interval, jitter=jitter, cap=cap, random=random)


def rest_after_failure(failures: int, *, interval: float, jitter: float, cap: float, random: float) -> LoopRest:
    """How long a continuous loop rests after a run that did not converge; `failures` are those before it."""
    delay = exponential(failures + 1, base=interval, cap=max(cap, interval))
    return LoopRest(delay=jittered(delay, jitter=jitter, random=random), failures=failures + 1)
