"""How a loop stands, as words: what it does, what it is about to do, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.core.clock import Instant, seconds_between
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.replies import LoopLine, Queued
from ftl2_enterprise.render.loops.state_words import OUTCOME_WORDS, STATE_ROLES
from ftl2_enterprise.render.text import Role, count, duration, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.nouns import Loop

FINAL = {LoopState.COMPLETED, LoopState.FAILED, LoopState.CANCELLED}
AT_REST = {LoopState.PAUSED, LoopState.BLOCKED, LoopState.FAILED, LoopState.RESTING, LoopState.WAITING}

SYMBOLS: dict[LoopState, str] = {
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

_ON_THE_WAY: dict[Desired, str] = {
    Desired.PAUSE: "pausing",
    Desired.STOP: "stopping",
    Desired.CANCEL: "cancelling",
}


_BEGINNING: dict[LoopState, str] = {LoopState.PENDING: "starting", LoopState.PAUSED: "resuming"}
"""States in which a loop is found until its process has begun."""
STOPPING = "the service is stopping"
NEXT_START = "goes on with the next start of the service"
_SAID_BY_THE_STATE = {"paused on request", "cancelled on request"}


class Standing(NamedTuple):
    """Symbol, word and role of where a loop is."""

    symbol: str
    word: str
    role: Role


def standing(loop: LoopLine | Loop, queued: Queued | None = None) -> Standing:
    """Where the loop is, with what is asked of it when that is not true yet. A line of a list knows of the queue."""
    state, role, symbol = loop.state, STATE_ROLES[loop.state], SYMBOLS[loop.state]
    coming = _ON_THE_WAY.get(loop.desired)
    if coming is not None and state not in {*FINAL, LoopState.PAUSED}:
        return Standing(symbol, coming, Role.WARNING)
    if state in FINAL and loop.outcome is not None:
        outcome_symbol, word, outcome_role = OUTCOME_WORDS[loop.outcome]
        return Standing(outcome_symbol, word, outcome_role)
    if queue_of(loop, queued) is not None and state not in FINAL:
        return Standing(SYMBOLS[LoopState.PENDING], "queued", Role.WARNING)
    if state is LoopState.WAITING:
        return Standing(symbol, "waiting for you", role)
    if loop.restart_at is not None and state not in FINAL:
        return Standing("↻", "restarting", Role.WARNING)
    if is_failing(loop):
        return Standing("✘", "failing", Role.BAD)
    if loop.managed and loop.desired is Desired.RUN and (word := _BEGINNING.get(state)):
        return Standing(symbol, word, role)
    return Standing(symbol, str(state), role)


def is_failing(loop: LoopLine | Loop) -> bool:
    """Whether it rests because its last run did not converge; it will be tried again."""
    return loop.state is LoopState.RESTING and bool(loop.reason)


def queue_of(loop: LoopLine | Loop, queued: Queued | None = None) -> Queued | None:
    """Where it stands in the queue for a place."""
    return loop.queued if queued is None and isinstance(loop, LoopLine) else queued


def why(loop: LoopLine | Loop, now: Instant, queued: Queued | None = None, *, draining: bool = False) -> str:
    """The reason of where it is, or what comes next, on one line; while the service stops, nothing comes next."""
    if (first := _first(loop, queued, draining=draining)) is not None:
        return first
    if loop.restart_at is not None and loop.state not in FINAL:
        reason = f"{one_line(loop.reason, 120)}; " if loop.reason else "its process died; "
        return f"{reason}again {until(loop.restart_at, now)}"
    if loop.state is LoopState.WAITING:
        return count(loop.open_prompts, "prompt")
    if loop.state is LoopState.RESTING:
        reason = f"{one_line(loop.reason, 120)}; " if loop.reason else ""
        return f"{reason}next look {until(loop.next_run_at, now)}"
    if loop.reason and loop.state is not LoopState.COMPLETED and loop.reason not in _SAID_BY_THE_STATE:
        return one_line(loop.reason, 300)
    if not loop.managed and loop.state not in FINAL:
        return "run in the foreground" if loop.state is LoopState.RUNNING else "left by a foreground run"
    return ""


def _first(loop: LoopLine | Loop, queued: Queued | None, *, draining: bool) -> str | None:
    """What counts before the reason of its state; None when nothing does."""
    if draining and not _is_on_the_way(loop) and _is_to_come(loop, queued):
        return f"{one_line(loop.reason, 120)}; {NEXT_START}" if loop.reason else NEXT_START
    if (found := queue_of(loop, queued)) is not None and loop.state not in FINAL:
        taken = f"{found.taken} of {found.places} places taken"
        return f"number {found.place} in the queue: {taken} (supervisor.max_running)"
    if _is_on_the_way(loop):
        # Why it is where it is, is over.
        return ""
    return None


def _is_to_come(loop: LoopLine | Loop, queued: Queued | None) -> bool:
    """Whether something is going to begin of it."""
    if loop.state in FINAL or not loop.managed:
        return False
    is_due = loop.restart_at is not None or queue_of(loop, queued) is not None
    return is_due or loop.state in {LoopState.PENDING, LoopState.RESTING}


def stopping(loops: Sequence[LoopLine]) -> str:
    """What a service that stops still waits for."""
    left = sum(loop.managed and loop.pid is not None for loop in loops)
    what = {0: "no loop has a step in hand", 1: "1 loop finishes its step in hand"}
    return f"{STOPPING}: {what.get(left, f'{left} loops finish their steps in hand')}"


def _is_on_the_way(loop: LoopLine | Loop) -> bool:
    """Whether it has been asked for another state than it is in."""
    if loop.state in FINAL:
        return False
    if loop.desired is Desired.RUN:
        return loop.managed and loop.state is LoopState.PAUSED
    return loop.desired in _ON_THE_WAY and loop.state is not LoopState.PAUSED


def until(instant: Instant | None, now: Instant) -> str:
    """How long until then."""
    if instant is None or instant <= now:
        return "now"
    return f"in {duration(seconds_between(now, instant))}"
