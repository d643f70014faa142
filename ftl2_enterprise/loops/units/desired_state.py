"""Units of work that record what is requested of a loop, or execute it when no process runs the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS, PAUSABLE
from ftl2_enterprise.loops.rows import (
    approvals as approval_rows,
    loops as loop_rows,
    processes as process_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import actions as action_units, observations as observation_units, runs as run_units
from ftl2_enterprise.protocol.loops.facts import (
    LoopCancelled,
    LoopDesired,
    LoopHurried,
    LoopLimitsChanged,
    LoopPaused,
    LoopRetried,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import Condition, Desired, IterationOutcome, Loop, LoopState, Outcome
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Iteration

LOST = "its process ended while it ran"


def request(tx: Tx, loop: Loop, desired: Desired) -> None:
    """Record the desired state of the loop; its process reads it at the next safe point."""
    if loop.desired is not desired:
        loop_rows.set_desired(tx, loop.id, desired)
        tx.emit(LoopDesired(desired=desired), subject=loop_subject(loop.id))


def expedite(tx: Tx, loop: Loop) -> None:
    """Record that a loop which is being cancelled must not finish its current step."""
    if not process_rows.is_expedited(tx, loop.id):
        tx.emit(LoopHurried(), subject=loop_subject(loop.id))


def settle(tx: Tx, loop: Loop) -> Loop:
    """Apply the desired state of a loop that has no process."""
    loop = supersede(tx, loop)
    iteration = loop_rows.open_iteration(tx, loop.id)
    match loop.desired:
        case Desired.PAUSE | Desired.STOP if loop.state in PAUSABLE:
            if iteration is not None:
                lose(tx, iteration)
            word = "paused" if loop.desired is Desired.PAUSE else "stopped"
            pause(tx, loop, reason=_on_request(tx, loop, word))
        case Desired.CANCEL if loop.state not in ENDED_LOOPS:
            cancel(tx, loop)
        case _:
            pass
    return loop_rows.get_loop(tx, loop.id)


def _on_request(tx: Tx, loop: Loop, word: str) -> str:
    """`paused by ada`, or `paused on request` if no user is known."""
    return word + (process_rows.requested_by(tx, loop.id) or " on request")


def lose(tx: Tx, iteration: Iteration) -> None:
    """Mark as unknown what was in flight when the process of the loop ended."""
    observation_units.lose_observations(tx, iteration)
    run_units.lose_model_calls(tx, iteration)
    action_units.lose_actions(tx, iteration, reason=LOST)


def close_iteration(tx: Tx, loop: Loop, outcome: IterationOutcome, *, reason: str) -> None:
    """End the open iteration, if any, of a loop that has no process any more, with its prompts and actions."""
    iteration = loop_rows.open_iteration(tx, loop.id)
    if iteration is not None:
        run_units.give_up(tx, iteration, loop.generation, outcome=outcome, lost=LOST, reason=reason)


def pause(tx: Tx, loop: Loop, *, reason: str) -> None:
    """Pause the loop; it keeps its open iteration until it is resumed."""
    loop_rows.move_loop(tx, loop.id, loop.generation, LoopPaused(outcome=None, reason=reason), reason=reason)


def supersede(tx: Tx, loop: Loop) -> Loop:
    """Drop what belongs to earlier revisions of the desired state, if the loop has taken up none of the one in force.

    No process acts for the earlier one any more. The loop is due with the one in force, unless it is paused.
    """
    if not loop.is_superseded:
        return loop
    reason = _superseded(tx, loop)
    close_iteration(tx, loop, IterationOutcome.INTERRUPTED, reason=reason)
    approval_rows.withdraw(tx, loop.id, reason)
    values: dict[str, Any] = {
        "taken_revision": loop.revision, "condition": Condition.UNKNOWN, "check": None, "audited_at": None,
        "next_observations": [], "failures": 0, "failed_iterations": 0, "rule_streak": 0, "updated_at": tx.now,
    }  # fmt: skip
    if loop.state is LoopState.RESTING:
        values |= {"next_run_at": tx.now, "restart_at": None}
    loop_rows.change_loop(tx, loop.id, **values)
    if loop.state in {LoopState.RUNNING, LoopState.WAITING}:
        pause(tx, loop, reason=run_units.SUPERSEDED)
    return loop_rows.get_loop(tx, loop.id)


def _superseded(tx: Tx, loop: Loop) -> str:
    """Who changed the desired state, and to which revision: the first one after that of the loop's iterations."""
    revision = revision_rows.get_revision(tx, loop.id, loop.taken_revision + 1)
    by = f" by {revision.created_by.partition(' (uid ')[0]}" if revision.created_by else ""
    return f"{run_units.SUPERSEDED}{by} (revision {revision.n})"


def cancel(tx: Tx, loop: Loop) -> None:
    """Cancel the loop and close its open iteration, prompts and actions."""
    reason = _on_request(tx, loop, "cancelled")
    close_iteration(tx, loop, IterationOutcome.INTERRUPTED, reason=reason)
    fact = LoopCancelled(outcome=Outcome.CANCELLED, reason=reason)
    loop_rows.move_loop(
        tx, loop.id, loop.generation, fact, outcome=fact.outcome, reason=fact.reason, next_run_at=None
    )


def retry(tx: Tx, loop: Loop) -> None:
    """Make a failed or blocked loop pending again."""
    values = {"outcome": None, "reason": None, "next_run_at": None}
    loop_rows.move_loop(tx, loop.id, loop.generation, LoopRetried(was=loop.state), **values)


def use_model(tx: Tx, loop: Loop) -> None:
    """Let the loop call its model again, if it had continued without it."""
    if loop.spec.without_model:
        loop_rows.change_loop(tx, loop.id, spec=msgspec.structs.replace(loop.spec, without_model=False))
        tx.emit(LoopLimitsChanged(without_model=False), subject=loop_subject(loop.id))


def manage(tx: Tx, loop: Loop) -> None:
    """Let the service run the loop from now on, with its crash counters reset."""
    if not loop.managed or loop.crashes or loop.restart_at is not None:
        loop_rows.change_loop(tx, loop.id, managed=True, crashes=0, crashes_since=None, restart_at=None)


@unit
def take(tx: Tx, loop_id: int, generation: int) -> Loop:
    """Let the foreground process that has claimed the loop run it, whatever its desired state was.

    Raises Problem(conflict) when the service manages the loop.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.managed:
        raise conflict(f"cannot run {loop.name}: the service runs it", "see `ftl2ctl show`")
    request(tx, loop, Desired.RUN)
    return loop_rows.get_loop(tx, loop_id)


@unit
def apply_desired(tx: Tx, loop_id: int, generation: int, *, reason: str, wakes_automatically: bool) -> Loop:
    """Apply the desired state of the loop when its process stops at a safe point; one that shall run is only stopped.

    `wakes_automatically`: the service starts the loop again after its rest, so a resting loop is not paused.
    """
    loop = loop_rows.get_loop(tx, loop_id)
    loop_rows.check_claim(tx, loop_id, generation)
    if loop.desired is not Desired.RUN:
        return settle(tx, loop)
    loop = supersede(tx, loop)
    stops = {LoopState.RUNNING} if wakes_automatically else {LoopState.RUNNING, LoopState.RESTING}
    if loop.state in stops:
        pause(tx, loop, reason=reason)
    return loop_rows.get_loop(tx, loop_id)
