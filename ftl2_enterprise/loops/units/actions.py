"""Units of work about actions; see `units`."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows
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
    event: ActionEvent | None = None
    """A move that is made at once: denied, previewed, or failed because it cannot be tried."""
    reason: str | None = None


class DoneAction(Wire, frozen=True):
    """What came of an action."""

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
    """Commit the intent of an action, and what is settled about it already: denied, previewed, or not to be tried."""
    row = action_rows.insert_action(
        tx,
        iteration,
        n=new.n,
        host=new.host,
        target=new.target,
        module=new.module,
        params=new.params,
        origin=new.origin,
    )
    if new.event is not None:
        action_rows.move_action(tx, row, new.event, error=new.reason)
        facts: dict[str, Any] = {"action_id": row, "n": new.n, "of": of, "module": new.module, "host": new.host}
        if new.event is ActionEvent.PREVIEWED:
            facts["summary"] = new.summary
        elif new.event is ActionEvent.FAILED:
            facts |= {"error": new.reason, "rc": None, "seconds": 0.0}
        else:
            facts["reason"] = new.reason
        loop_rows.emit(tx, iteration, f"action.{new.event}", **facts)
    return row


@unit
def propose_actions(tx: Tx, iteration: Iteration, actions: list[NewAction]) -> list[int]:
    """Actions that a rule makes up while it runs."""
    return [insert_action(tx, iteration, action, action.n) for action in actions]


@unit
def start_actions(tx: Tx, iteration: Iteration, actions: list[tuple[int, str]], *, of: int) -> None:
    """Commit that these (id, summary) begin now; from here on a crash makes them unknown."""
    for action_id, summary in actions:
        action_rows.move_action(tx, action_id, ActionEvent.STARTED)
        action = action_rows.get_action(tx, action_id)
        loop_rows.emit(
            tx,
            iteration,
            "action.started",
            action_id=action_id,
            n=action.n,
            of=of,
            module=action.module,
            host=action.host,
            target=action.target,
            origin=action.origin,
            summary=summary,
        )


@unit
def end_action(tx: Tx, iteration: Iteration, done: DoneAction) -> Action:
    """Commit the truth about an action."""
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
    facts: dict[str, Any] = {"action_id": done.id, "n": action.n, "module": action.module, "host": action.host}
    match done.event:
        case ActionEvent.SUCCEEDED:
            facts |= {"changed": bool(done.changed), "seconds": done.seconds}
        case ActionEvent.FAILED:
            facts |= {"error": done.error, "rc": done.rc, "seconds": done.seconds}
        case _:
            facts["reason"] = done.error
    loop_rows.emit(tx, iteration, f"action.{done.event}", **facts)
    return action


@unit
def lose_actions(tx: Tx, iteration: Iteration, *, reason: str) -> None:
    """Mark what was in flight as unknown."""
    for action in action_rows.get_actions_for_iteration(tx, iteration.id):
        if action.state is ActionState.RUNNING:
            end_action(tx, iteration, DoneAction(id=action.id, event=ActionEvent.LOST, error=reason))
