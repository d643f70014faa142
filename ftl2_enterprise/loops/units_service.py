"""Units of work of the service: what is asked of a loop becomes true, or is written down until it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops import store, store_service, units, units_actions, units_observations
from ftl2_enterprise.loops.lifecycle import LoopEvent
from ftl2_enterprise.protocol.loops import Desired, IterationOutcome, Loop, LoopState, Outcome
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops import Iteration

ACTIVE = frozenset({LoopState.PENDING, LoopState.RUNNING, LoopState.WAITING, LoopState.RESTING})
"""What can be paused."""
OVER = frozenset({LoopState.COMPLETED, LoopState.FAILED, LoopState.CANCELLED})
LOST = "its process ended while it ran"


def wish(tx: Tx, loop: Loop, desired: Desired) -> None:
    """Write down what is asked of the loop; whoever runs it reads it at its next safe point."""
    if loop.desired is not desired:
        store.set_desired(tx, loop.id, desired)
        tx.emit("loop.desired", loop_id=loop.id, desired=desired)


def settle(tx: Tx, loop: Loop) -> Loop:
    """Make true what is asked of a loop that has no process."""
    iteration = store.open_iteration(tx, loop.id)
    match loop.desired:
        case Desired.PAUSE | Desired.STOP if loop.state in ACTIVE:
            if iteration is not None:
                lose(tx, iteration)
            pause(tx, loop, reason="paused on request" if loop.desired is Desired.PAUSE else "stopped on request")
        case Desired.CANCEL if loop.state not in OVER:
            cancel(tx, loop)
        case _:
            pass
    return store.get_loop(tx, loop.id)


def lose(tx: Tx, iteration: Iteration) -> None:
    """What was in flight when the process of the loop ended is unknown."""
    units_observations.lose_observations(tx, iteration)
    units.lose_model_calls(tx, iteration)
    units_actions.lose_actions(tx, iteration, reason=LOST)


def pause(tx: Tx, loop: Loop, *, reason: str) -> None:
    """The loop stays where it is until it is resumed."""
    data = {"outcome": None, "reason": reason}
    store.move_loop(tx, loop.id, loop.generation, LoopEvent.PAUSED, data=data, reason=reason)


def cancel(tx: Tx, loop: Loop) -> None:
    """The loop is over; what it has begun and not ended is closed."""
    reason = "cancelled on request"
    iteration = store.open_iteration(tx, loop.id)
    if iteration is not None:
        units.give_up(tx, iteration, loop.generation, outcome=IterationOutcome.INTERRUPTED, lost=LOST, reason=reason)
    values = {"outcome": Outcome.CANCELLED, "reason": reason}
    store.move_loop(tx, loop.id, loop.generation, LoopEvent.CANCELLED, data=values, next_run_at=None, **values)


def retry(tx: Tx, loop: Loop) -> None:
    """A loop that has failed or is blocked waits for its turn again."""
    values = {"outcome": None, "reason": None, "next_run_at": None}
    store.move_loop(tx, loop.id, loop.generation, LoopEvent.RETRIED, data={"was": loop.state}, **values)


def manage(tx: Tx, loop: Loop) -> None:
    """The service runs the loop from now on, as if its process had never crashed."""
    if not loop.managed or loop.crashes or loop.restart_at is not None:
        store_service.change_loop(tx, loop.id, managed=True, crashes=0, crashes_since=None, restart_at=None)


@unit
def obey(tx: Tx, loop_id: int, generation: int, *, reason: str, wakes_by_itself: bool) -> Loop:
    """The process of the loop makes true what is asked of it, at a safe point; without a wish it only stops.

    `wakes_by_itself`: whoever runs the loop starts it again when its rest is over, so that it need not be paused.
    """
    loop = store.get_loop(tx, loop_id)
    store.check_claim(tx, loop_id, generation)
    if loop.desired is not Desired.RUN:
        return settle(tx, loop)
    stops = {LoopState.RUNNING} if wakes_by_itself else {LoopState.RUNNING, LoopState.RESTING}
    if loop.state in stops:
        pause(tx, loop, reason=reason)
    return store.get_loop(tx, loop_id)
