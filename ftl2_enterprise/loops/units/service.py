"""Units of work of the service: what is asked of a loop becomes true, or is written down until it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.problem import Problem, conflict
from ftl2_enterprise.loops.restart_policy import ProcessEnd, Restarts, answer
from ftl2_enterprise.loops.rows import loops as loop_rows, service as service_rows
from ftl2_enterprise.loops.units import actions as action_units, observations as observation_units, runs as run_units
from ftl2_enterprise.protocol.loops.facts import (
    LoopCancelled,
    LoopCrashed,
    LoopDesired,
    LoopFailed,
    LoopHurried,
    LoopPaused,
    LoopProcessEnded,
    LoopRetried,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import Desired, IterationOutcome, Loop, LoopState, Outcome
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Iteration

ACTIVE = frozenset({LoopState.PENDING, LoopState.RUNNING, LoopState.WAITING, LoopState.RESTING})
"""What can be paused."""
OVER = frozenset({LoopState.COMPLETED, LoopState.FAILED, LoopState.CANCELLED})
LOST = "its process ended while it ran"


def wish(tx: Tx, loop: Loop, desired: Desired) -> None:
    """Write down what is asked of the loop; whoever runs it reads it at its next safe point."""
    if loop.desired is not desired:
        loop_rows.set_desired(tx, loop.id, desired)
        tx.emit(LoopDesired(desired=desired), subject=loop_subject(loop.id))


def hurry(tx: Tx, loop: Loop) -> None:
    """Write down that a loop which is being cancelled is not to finish its step in hand."""
    if not service_rows.is_hurried(tx, loop.id):
        tx.emit(LoopHurried(), subject=loop_subject(loop.id))


def settle(tx: Tx, loop: Loop) -> Loop:
    """Make true what is asked of a loop that has no process."""
    iteration = loop_rows.open_iteration(tx, loop.id)
    match loop.desired:
        case Desired.PAUSE | Desired.STOP if loop.state in ACTIVE:
            if iteration is not None:
                lose(tx, iteration)
            pause(tx, loop, reason="paused on request" if loop.desired is Desired.PAUSE else "stopped on request")
        case Desired.CANCEL if loop.state not in OVER:
            cancel(tx, loop)
        case _:
            pass
    return loop_rows.get_loop(tx, loop.id)


def lose(tx: Tx, iteration: Iteration) -> None:
    """What was in flight when the process of the loop ended is unknown."""
    observation_units.lose_observations(tx, iteration)
    run_units.lose_model_calls(tx, iteration)
    action_units.lose_actions(tx, iteration, reason=LOST)


def pause(tx: Tx, loop: Loop, *, reason: str) -> None:
    """The loop stays where it is until it is resumed."""
    loop_rows.move_loop(tx, loop.id, loop.generation, LoopPaused(outcome=None, reason=reason), reason=reason)


def cancel(tx: Tx, loop: Loop) -> None:
    """The loop is over; what it has begun and not ended is closed."""
    reason = "cancelled on request"
    iteration = loop_rows.open_iteration(tx, loop.id)
    if iteration is not None:
        run_units.give_up(
            tx, iteration, loop.generation, outcome=IterationOutcome.INTERRUPTED, lost=LOST, reason=reason
        )
    fact = LoopCancelled(outcome=Outcome.CANCELLED, reason=reason)
    loop_rows.move_loop(
        tx, loop.id, loop.generation, fact, outcome=fact.outcome, reason=fact.reason, next_run_at=None
    )


def retry(tx: Tx, loop: Loop) -> None:
    """A loop that has failed or is blocked waits for its turn again."""
    values = {"outcome": None, "reason": None, "next_run_at": None}
    loop_rows.move_loop(tx, loop.id, loop.generation, LoopRetried(was=loop.state), **values)


def manage(tx: Tx, loop: Loop) -> None:
    """The service runs the loop from now on, as if its process had never crashed."""
    if not loop.managed or loop.crashes or loop.restart_at is not None:
        service_rows.change_loop(tx, loop.id, managed=True, crashes=0, crashes_since=None, restart_at=None)


@unit
def take(tx: Tx, loop_id: int, generation: int) -> Loop:
    """A process in the foreground is to run the loop, whatever was asked of it before.

    Raises Problem(conflict) when the service has it.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.managed:
        raise conflict(f"cannot run {loop.name}: the service runs it", "see `ftl2ctl show`")
    wish(tx, loop, Desired.RUN)
    return loop_rows.get_loop(tx, loop_id)


@unit
def obey(tx: Tx, loop_id: int, generation: int, *, reason: str, wakes_by_itself: bool) -> Loop:
    """The process of the loop makes true what is asked of it, at a safe point; without a wish it only stops.

    `wakes_by_itself`: whoever runs the loop starts it again when its rest is over, so that it need not be paused.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.desired is not Desired.RUN:
        return settle(tx, loop)
    stops = {LoopState.RUNNING} if wakes_by_itself else {LoopState.RUNNING, LoopState.RESTING}
    if loop.state in stops:
        pause(tx, loop, reason=reason)
    return loop_rows.get_loop(tx, loop_id)


@unit
def record_end(
    tx: Tx, loop_id: int, end: ProcessEnd, *, pid: int | None, started_at: Instant | None, restarts: Restarts,
    random: float,
) -> Loop | None:  # fmt: skip
    """The process of the loop has ended: what was asked becomes true, and a crash is counted.

    It is recorded once, however often it is told. None when the loop is gone, or when another process has it by now.
    """
    try:
        loop = loop_rows.get_loop(tx, loop_id)
    except Problem:
        return None
    if _is_noted(end) and service_rows.is_end_noted(tx, loop_id, pid, started_at):
        return loop
    found = answer(
        end,
        crashes=loop.crashes,
        crashes_since=loop.crashes_since,
        now=tx.now,
        restarts=restarts,
        random=random,
    )
    if service_rows.is_held(loop):
        service_rows.change_loop(tx, loop_id, restart_at=found.restart_at)
        return None
    # What the dead process handed over and nobody has carried out yet must not be carried out after this.
    service_rows.take_from(tx, loop)
    loop = loop_rows.get_loop(tx, loop_id)
    if loop.state in OVER or loop.state is LoopState.BLOCKED:
        return loop
    if loop.desired is not Desired.RUN:
        _note_end(tx, loop, end, pid, started_at)
        return settle(tx, loop)
    _note_end(tx, loop, end, pid, started_at, crashes=found.crashes, restart_at=found.restart_at)
    service_rows.change_loop(
        tx, loop_id, crashes=found.crashes, crashes_since=found.crashes_since, restart_at=found.restart_at
    )
    if found.failed is not None:
        fail(tx, loop, reason=found.failed)
    return loop_rows.get_loop(tx, loop_id)


def _is_noted(end: ProcessEnd) -> bool:
    return end.is_crash or end.why is not Why.EXITED


def _note_end(
    tx: Tx, loop: Loop, end: ProcessEnd, pid: int | None, started_at: Instant | None, *,
    crashes: int | None = None, restart_at: Instant | None = None,
) -> None:  # fmt: skip
    if not _is_noted(end):
        return
    fact = LoopCrashed if end.is_crash else LoopProcessEnded
    tx.emit(
        fact(
            why=end.why, status=end.status, signal=end.signal, pid=pid, started_at=started_at, told=end.told(),
            crashes=crashes, restart_at=restart_at,
        ),
        subject=loop_subject(loop.id),
    )  # fmt: skip


def fail(tx: Tx, loop: Loop, *, reason: str) -> None:
    """The loop cannot go on without a person."""
    iteration = loop_rows.open_iteration(tx, loop.id)
    if iteration is not None:
        run_units.give_up(tx, iteration, loop.generation, outcome=IterationOutcome.FAILED, lost=LOST, reason=reason)
    fact = LoopFailed(outcome=Outcome.FAILED, reason=reason)
    loop_rows.move_loop(
        tx, loop.id, loop.generation, fact, outcome=fact.outcome, reason=fact.reason, next_run_at=None
    )


@unit
def refuse(tx: Tx, loop_id: int, generation: int, *, reason: str) -> Loop:
    """The loop cannot be run as it was asked for, says its process before anything has run."""
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.state not in OVER and loop.state is not LoopState.BLOCKED:
        fail(tx, loop, reason=reason)
    return loop_rows.get_loop(tx, loop_id)
