"""The status of a loop in words: its state or the one that was requested, the reason, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.core.clock import Instant, moment, seconds_between
from ftl2_enterprise.protocol.loops.freshness import LATE, is_outdated
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    LoopRemediation,
    LoopState,
    Mode,
    Outcome,
    WaitReason,
)
from ftl2_enterprise.protocol.loops.replies import LoopLine, ModelWait, Queued
from ftl2_enterprise.render.loops.state_words import CONDITION_WORDS, OUTCOME_WORDS, STATE_ROLES, STATE_SYMBOLS
from ftl2_enterprise.render.text import Line, Piece, Role, ago, count, duration, iso_time, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.nouns import Loop, PendingRetry

ENDED = {LoopState.COMPLETED, LoopState.FAILED, LoopState.CANCELLED}
"""States in which nothing runs or is scheduled; a failed loop can be retried."""
AT_REST = {LoopState.PAUSED, LoopState.BLOCKED, LoopState.FAILED, LoopState.RESTING, LoopState.WAITING}

_REQUESTED: dict[Desired, str] = {
    Desired.PAUSE: "pausing",
    Desired.STOP: "stopping",
    Desired.CANCEL: "cancelling",
}
_STARTING: dict[LoopState, str] = {LoopState.PENDING: "starting", LoopState.PAUSED: "resuming"}
"""Words for the states of a loop whose process is about to start."""
QUEUED = "queued"
WITH_EXCEPTIONS = f"{OUTCOME_WORDS[Outcome.CONVERGED][1]}, with exceptions"
FROZEN = "frozen"
STOPPING = "the service is stopping"
NEXT_START = "continues after the next start of the service"
REPORTS = "only reports (its remediation is `never`)"
ONLY_REPORTS = "its remediation is `never`: it reports and changes nothing"
_REPEATS_STATE = {"paused on request", "cancelled on request"}
"""Reasons that add nothing to the state."""


class LoopStanding(NamedTuple):
    """Symbol, word and role of the status of a loop."""

    symbol: str
    word: str
    role: Role


def standing(loop: LoopLine | Loop, queued: Queued | None = None) -> LoopStanding:
    """The status of a loop: its state, or the transition to the requested state.

    A `LoopLine` contains its position in the queue; that of a `Loop` is passed as `queued`.
    """
    state, role, mark = loop.state, STATE_ROLES[loop.state], STATE_SYMBOLS[loop.state]
    if state in ENDED:
        if loop.outcome is Outcome.CONVERGED and loop.left_out:
            return LoopStanding(OUTCOME_WORDS[loop.outcome][0], WITH_EXCEPTIONS, Role.WARNING)
        found = LoopStanding(mark, str(state), role)
        return found if loop.outcome is None else LoopStanding(*OUTCOME_WORDS[loop.outcome])
    coming = _REQUESTED.get(loop.desired)
    if coming is not None and state is not LoopState.PAUSED:
        return LoopStanding(mark, coming, Role.WARNING)
    if queue_of(loop, queued) is not None:
        return LoopStanding(STATE_SYMBOLS[LoopState.PENDING], QUEUED, Role.WARNING)
    return _undisturbed(loop, mark, role)


def _undisturbed(loop: LoopLine | Loop, mark: str, role: Role) -> LoopStanding:
    """The status of a loop that has not ended, is not queued, and is not in transition on request."""
    state = loop.state
    if state is LoopState.WAITING:
        return LoopStanding(mark, "waiting for you", role)
    if loop.restart_at is not None:
        return LoopStanding("↻", "restarting", Role.WARNING)
    if is_frozen(loop):
        return LoopStanding("■", FROZEN, Role.BAD)
    if is_interrupted(loop):
        return LoopStanding("!", "interrupted", Role.WARNING)
    if is_failing(loop):
        return LoopStanding("✘", "failing", Role.BAD)
    if loop.managed and loop.desired is Desired.RUN and (word := _STARTING.get(state)):
        return LoopStanding(mark, word, role)
    return LoopStanding(mark, str(state), role)


def is_failing(loop: LoopLine | Loop) -> bool:
    """Whether it rests after a run that did not converge; it will run again."""
    return loop.state is LoopState.RESTING and bool(loop.reason) and loop.frozen_by is None


def is_frozen(loop: LoopLine | Loop) -> bool:
    """Whether it waits for the end of a freeze."""
    return loop.state is LoopState.RESTING and loop.frozen_by is not None


def is_interrupted(loop: LoopLine | Loop) -> bool:
    """Whether its foreground run died: its state is running, but no process has claimed it."""
    return isinstance(loop, LoopLine) and not loop.managed and loop.state is LoopState.RUNNING and loop.pid is None


def is_stale(loop: LoopLine | Loop, now: Instant) -> bool:
    """Whether a continuous loop has not observed for so long that its condition may be another one now."""
    if isinstance(loop, LoopLine):
        return loop.stale
    if loop.state in ENDED or loop.mode is not Mode.CONTINUOUS or loop.observed_at is None:
        return False
    return is_outdated(loop.observed_at, loop.spec.interval, now)


def is_overdue(loop: LoopLine | Loop, now: Instant) -> bool:
    """Whether a resting loop should have checked by now."""
    if loop.state is not LoopState.RESTING or loop.next_run_at is None or loop.frozen_by is not None:
        return False
    return seconds_between(loop.next_run_at, now) > LATE


def condition_pieces(loop: Loop, now: Instant) -> list[Piece]:
    """What was observed, after a comma, with its age; nothing if nothing was observed yet."""
    if loop.observed_at is None:
        return []
    word, role = condition_word(loop)
    # A check without a result is one, too: what it did not see was not observed.
    what = "last check" if loop.condition is Condition.UNKNOWN else "observed"
    age = (f" ({what} {ago(loop.observed_at, now)})", Role.FAINT)
    if standing(loop).word == word:
        # It ended as drifted, and that is shown already.
        return [age]
    stale: list[Piece] = [", ", ("stale", Role.WARNING)] if is_stale(loop, now) else []
    return [", ", (word, role), *stale, age]


def condition_word(loop: LoopLine | Loop) -> tuple[str, Role]:
    """The word for what was observed, and its role."""
    word, role = CONDITION_WORDS[loop.condition]
    if loop.condition is Condition.IN_SYNC and loop.left_out:
        return f"{word}, with exceptions", Role.WARNING
    return word, role


def queue_of(loop: LoopLine | Loop, queued: Queued | None = None) -> Queued | None:
    """Its position in the queue for a process; None when it is not queued."""
    return loop.queued if queued is None and isinstance(loop, LoopLine) else queued


def why(
    loop: LoopLine | Loop,
    now: Instant,
    queued: Queued | None = None,
    *,
    draining: bool = False,
    model_wait: ModelWait | None = None,
) -> str:
    """The reason for its state, or what comes next, on one line; a service that is stopping starts nothing next.

    A `LoopLine` contains why it waits to call its model; that of a `Loop` is passed as `model_wait`.
    """
    if (first := _first(loop, queued, draining=draining)) is not None:
        return first
    if loop.is_superseded and loop.state not in ENDED and loop.desired is Desired.RUN:
        return f"takes up revision {loop.revision} after its current step"
    if loop.state is LoopState.RUNNING and (found := _wait_of(loop, model_wait)) is not None:
        return waiting(found)
    if loop.state is LoopState.RUNNING and loop.retry is not None:
        return retrying(loop.retry)
    return _reason(loop, now)


def _reason(loop: LoopLine | Loop, now: Instant) -> str:
    if loop.restart_at is not None and loop.state not in ENDED:
        reason = f"{one_line(loop.reason, 120)}; " if loop.reason else "its process died; "
        return f"{reason}restarts {until(loop.restart_at, now)}"
    if loop.state is LoopState.WAITING:
        return count(loop.open_prompts, "open prompt")
    if loop.state is LoopState.RESTING:
        reason = f"{one_line(loop.reason.removesuffix('.'), 120)}; " if loop.reason else ""
        if only_reports(loop):
            reason += f"{REPORTS}; "
        return f"{reason}next check {until(loop.next_run_at, now)}"
    if loop.reason and loop.state is not LoopState.COMPLETED and loop.reason not in _REPEATS_STATE:
        return one_line(loop.reason, 300)
    if loop.managed or loop.state in ENDED:
        return ""
    if is_interrupted(loop):
        return "its process ended unexpectedly"
    return "runs in the foreground" if loop.state is LoopState.RUNNING else "was run in the foreground"


def only_reports(loop: LoopLine | Loop) -> bool:
    """Whether something is out of place that the loop may not repair."""
    if isinstance(loop, LoopLine):
        return loop.only_reports
    return loop.spec.remediation is LoopRemediation.NEVER and loop.condition is Condition.DRIFTED


def _wait_of(loop: LoopLine | Loop, model_wait: ModelWait | None) -> ModelWait | None:
    return loop.model_wait if model_wait is None and isinstance(loop, LoopLine) else model_wait


def waiting(found: ModelWait) -> str:
    """Why a loop waits before it calls its model."""
    until = "" if found.until is None else f" until {iso_time(found.until)}"
    match found.reason:
        case WaitReason.PLACES:
            among = "" if found.places is None else f" among {count(found.places, 'model call')}"
            return f"waits for a place{among} (model.parallel)"
        case WaitReason.RATE:
            return f"waits for its turn to call the model{until} (model.rate)"
        case WaitReason.RETRY_AFTER:
            return f"the provider of the model asks for a pause{until}"
        case WaitReason.UNAVAILABLE:
            return f"the provider of the model is unavailable{until}"
        case WaitReason.PROBE:
            return "the provider of the model is unavailable; one call tries it now"


def _first(loop: LoopLine | Loop, queued: Queued | None, *, draining: bool) -> str | None:
    """The text that takes precedence over the reason of its state; None when there is none."""
    if draining and not _is_in_transition(loop) and _is_scheduled(loop, queued):
        return f"{one_line(loop.reason, 120)}; {NEXT_START}" if loop.reason else NEXT_START
    if (found := queue_of(loop, queued)) is not None and loop.state not in ENDED:
        taken = f"{found.taken} of {found.places} places taken"
        return f"position {found.place} in the queue: {taken} (supervisor.max_running)"
    if _is_in_transition(loop):
        # The reason belongs to the state that it is leaving.
        return ""
    return one_line(loop.reason or FROZEN, 300) if is_frozen(loop) else None


def _is_scheduled(loop: LoopLine | Loop, queued: Queued | None) -> bool:
    """Whether the service would start a process for it, now or later."""
    if loop.state in ENDED or not loop.managed:
        return False
    is_due = loop.restart_at is not None or queue_of(loop, queued) is not None
    return is_due or loop.state in {LoopState.PENDING, LoopState.RESTING}


def _is_in_transition(loop: LoopLine | Loop) -> bool:
    """Whether a state was requested that the loop has not reached yet."""
    if loop.state in ENDED:
        return False
    if loop.desired is Desired.RUN:
        return loop.managed and loop.state is LoopState.PAUSED
    return loop.desired in _REQUESTED and loop.state is not LoopState.PAUSED


def stopping(loops: Sequence[LoopLine]) -> str:
    """That the service is stopping, and what it waits for."""
    left = sum(loop.managed and loop.pid is not None for loop in loops)
    what = {0: "no loop process is left", 1: "waiting for 1 loop to finish its current step"}
    return f"{STOPPING}: {what.get(left, f'waiting for {left} loops to finish their current steps')}"


def retrying(retry: PendingRetry) -> str:
    """What a loop that runs pauses for."""
    error = f"; last time: {one_line(retry.error, 160)}" if retry.error else ""
    return f"waits until {iso_time(retry.at)} {repetition(retry.calls, retry.attempts, retry.of)}{error}"


def repetition(calls: Sequence[str], attempts: int, of: int) -> str:
    """What a loop waits for: `to try X again: 1 of 3 attempts`. `of` is 0 if it is not known."""
    more = f" and {len(calls) - 1} more" if len(calls) > 1 else ""
    what = f"try {one_line(calls[0], 160)}{more}" if calls else "observe"
    return f"to {what} again: {f'{attempts} of {count(of, "attempt")}' if of else count(attempts, 'attempt')}"


def until(instant: Instant | None, now: Instant) -> str:
    """The time until an instant: `in 90 s`, or `now`."""
    if instant is None or instant <= now:
        return "now"
    return f"in {duration(seconds_between(now, instant))}"


def expiry(deadline: Instant, now: Instant) -> str:
    """When an open request expires, and how long that is: `2026-01-31 18:00:00Z (in 90 s)`."""
    return f"{moment(deadline)} ({until(deadline, now)})"


# --- lines ---------------------------------------------------------------------------------------------------------


def state_line(loop: Loop, now: Instant, queued: Queued | None = None, *, is_now: bool = False) -> Line:
    """The reply to a command that controls a loop; `is_now`: its current step is interrupted."""
    where, reason = standing(loop, queued), why(loop, now, queued)
    if loop.state is LoopState.RUNNING and loop.desired in {Desired.PAUSE, Desired.CANCEL}:
        reason = "interrupting its current step" if is_now else "after its current step"
    return line(
        symbol(where.symbol, where.role),
        (one_line(loop.name), Role.STRONG),
        ": ",
        (where.word, where.role),
        f" ({reason})" if reason else "",
    )


def outcome_line(loop: Loop) -> Line:
    """The result of a run on one line: the status, the name of the loop, and the reason."""
    where = standing(loop)
    named = f"left out: {', '.join(loop.left_out)}" if where.word == WITH_EXCEPTIONS else None
    reason = [f": {one_line(why, 300)}"] if (why := loop.reason or named) else []
    return line(symbol(where.symbol, where.role), (where.word, where.role), f": loop {one_line(loop.name)}", *reason)
