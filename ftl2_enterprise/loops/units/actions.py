"""Units of work about actions; see `units.runs`."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.facts import (
    ActionDenied,
    ActionFact,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, Iteration
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


class NewAction(Wire, frozen=True):
    """The intent to change something on one host."""

    n: int
    host: str
    target: str
    module: str
    params: dict[str, Any]
    origin: str
    summary: str
    diff: str = ""
    """What it would change, redacted, if that was found out before."""
    event: ActionEvent | None = None
    """The event that ends the action immediately: denied, previewed, or failed because it cannot be attempted."""
    step: str | None = None
    part: int = 0
    reason: str | None = None
    """Why it has ended; of a previewed one: why people would have to approve it, if so."""


class DoneAction(Wire, frozen=True):
    """The result of an action."""

    id: int
    event: ActionEvent
    changed: bool | None = None
    rc: int | None = None
    stdout: str = ""
    stderr: str = ""
    output: str = ""
    error: str | None = None
    seconds: float = 0.0


def insert_action(tx: Tx, iteration: Iteration, new: NewAction, of: int) -> int:
    """Insert a proposed action, and end it immediately if it has an event; returns its id."""
    row = action_rows.insert_action(
        tx,
        iteration,
        n=new.n,
        host=new.host,
        target=new.target,
        module=new.module,
        params=new.params,
        origin=new.origin,
        diff=new.diff,
        step=new.step,
        part=new.part,
    )
    if new.event is not None:
        action_rows.move_action(tx, row, new.event, error=new.reason)
        tx.emit(_settled(iteration, row, new, new.event, of), subject=loop_subject(iteration.loop_id))
    return row


def _settled(iteration: Iteration, action_id: int, new: NewAction, event: ActionEvent, of: int) -> ActionFact:
    """The fact that records why the new action ended immediately."""
    match event:
        case ActionEvent.PREVIEWED:
            return ActionPreviewed(
                iteration_id=iteration.id, action_id=action_id, n=new.n, of=of, module=new.module, host=new.host,
                summary=new.summary, asks=new.reason, diff=new.diff,
            )  # fmt: skip
        case ActionEvent.FAILED:
            return ActionFailed(
                iteration_id=iteration.id, action_id=action_id, n=new.n, of=of, module=new.module, host=new.host,
                error=new.reason, rc=None, seconds=0.0,
            )  # fmt: skip
        case ActionEvent.DENIED:
            return ActionDenied(
                iteration_id=iteration.id, action_id=action_id, n=new.n, of=of, module=new.module, host=new.host,
                reason=new.reason,
            )  # fmt: skip
        case _:
            raise AssertionError(f"an action is not {event} before it begins")


@unit
def propose_actions(tx: Tx, iteration: Iteration, actions: list[NewAction]) -> list[int]:
    """Insert actions that a rule calls while it runs; returns their ids."""
    return [insert_action(tx, iteration, action, action.n) for action in actions]


@unit
def start_actions(tx: Tx, iteration: Iteration, actions: list[tuple[int, str]], *, of: int) -> bool:
    """Commit that these actions, as (id, summary), start now; from here on a crash makes them unknown.

    False if the desired state was changed since the iteration began: then none of them starts.
    """
    if loop_rows.revision_of(tx, iteration.loop_id) != iteration.revision:
        return False
    for action_id, summary in actions:
        action_rows.move_action(tx, action_id, ActionEvent.STARTED)
        action = action_rows.get_action(tx, action_id)
        started = ActionStarted(
            iteration_id=iteration.id,
            action_id=action_id,
            n=action.n,
            of=of,
            module=action.module,
            host=action.host,
            target=action.target,
            origin=action.origin,
            summary=summary,
        )
        tx.emit(started, subject=loop_subject(iteration.loop_id))
    return True


@unit
def end_action(tx: Tx, iteration: Iteration, done: DoneAction) -> Action:
    """Commit the result of an action."""
    action_rows.move_action(
        tx,
        done.id,
        done.event,
        changed=done.changed,
        rc=done.rc,
        stdout=done.stdout,
        stderr=done.stderr,
        output=done.output,
        error=done.error,
    )
    action = action_rows.get_action(tx, done.id)
    tx.emit(_ended(iteration, action, done), subject=loop_subject(iteration.loop_id))
    return action


def _ended(iteration: Iteration, action: Action, done: DoneAction) -> ActionFact:
    """The fact that records how the action ended."""
    match done.event:
        case ActionEvent.SUCCEEDED:
            return ActionSucceeded(
                iteration_id=iteration.id, action_id=action.id, n=action.n, module=action.module, host=action.host,
                changed=bool(done.changed), seconds=done.seconds,
            )  # fmt: skip
        case ActionEvent.FAILED:
            return ActionFailed(
                iteration_id=iteration.id, action_id=action.id, n=action.n, module=action.module, host=action.host,
                error=done.error, rc=done.rc, seconds=done.seconds,
            )  # fmt: skip
        case ActionEvent.DENIED:
            return ActionDenied(
                iteration_id=iteration.id, action_id=action.id, n=action.n, module=action.module, host=action.host,
                reason=done.error,
            )  # fmt: skip
        case ActionEvent.SKIPPED:
            return ActionSkipped(
                iteration_id=iteration.id, action_id=action.id, n=action.n, module=action.module, host=action.host,
                reason=done.error,
            )  # fmt: skip
        case ActionEvent.LOST:
            return ActionLost(
                iteration_id=iteration.id, action_id=action.id, n=action.n, module=action.module, host=action.host,
                reason=done.error,
            )  # fmt: skip
        case _:
            raise AssertionError(f"an action does not end by being {done.event}")


@unit
def lose_actions(tx: Tx, iteration: Iteration, *, reason: str) -> None:
    """Mark the running actions of the iteration as unknown."""
    for action in action_rows.get_actions_for_iteration(tx, iteration.id):
        if action.state is ActionState.RUNNING:
            end_action(tx, iteration, DoneAction(id=action.id, event=ActionEvent.LOST, error=reason))
