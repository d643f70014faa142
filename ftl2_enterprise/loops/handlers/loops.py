"""What is asked of a loop: one function per verb. Each writes intent, and makes it true where no process has to."""

from __future__ import annotations

import shlex

import msgspec

from ftl2_enterprise.core.lease import pid_of
from ftl2_enterprise.core.problem import Problem, conflict
from ftl2_enterprise.loops.naming import check_name, name_for
from ftl2_enterprise.loops.rows import loops as loop_rows, service as service_rows
from ftl2_enterprise.loops.units import service as service_units
from ftl2_enterprise.loops.units.service import OVER
from ftl2_enterprise.protocol.loops.facts import LoopDeleted, LoopDue, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState
from ftl2_enterprise.protocol.loops.replies import Deleted
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
    DeleteLoop,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    RunLoopNow,
    StartLoop,
    StopLoop,
    SubmitLoop,
)
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

GOING = {LoopState.FAILED, LoopState.BLOCKED}
"""States in which only `retry` or `start` make a loop go on."""


@unit
def submit(tx: Tx, request: SubmitLoop) -> Loop:
    """Write the loop down; without a name of its own it gets one that is free."""
    spec = request.spec
    if spec.name:
        check_name(spec.name)
        if service_rows.is_taken(tx, spec.name):
            raise conflict(
                f'cannot submit the loop "{spec.name}": there is one of that name',
                f"give another name, or first {_ctl('cancel', spec.name)} and {_ctl('delete', spec.name)}",
            )
    else:
        made = name_for(spec.desired_state, spec.source, dry_run=spec.dry_run)
        spec = msgspec.structs.replace(spec, name=service_rows.free_name(tx, made))
    loop = loop_rows.create_loop(tx, spec)
    service_rows.change_loop(tx, loop.id, managed=True, priority=request.priority, submitted_by=tx.actor)
    if request.paused:
        service_units.wish(tx, loop, Desired.PAUSE)
        return service_units.settle(tx, loop_rows.get_loop(tx, loop.id))
    return loop_rows.get_loop(tx, loop.id)


@unit
def start(tx: Tx, request: StartLoop) -> Loop:
    """Run it, wherever it stopped."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state in GOING:
        service_units.retry(tx, loop)
    return _run(tx, loop, "start")


@unit
def resume(tx: Tx, request: ResumeLoop) -> Loop:
    """Go on after a pause or a stop."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state in GOING:
        raise _cannot("resume", loop, f"{_ctl('retry', loop.name)} runs it once more")
    return _run(tx, loop, "resume")


@unit
def retry(tx: Tx, request: RetryLoop) -> Loop:
    """Run a failed or blocked loop once more."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state not in GOING:
        hint = {
            LoopState.PAUSED: f"{_ctl('resume', loop.name)} goes on with it",
            LoopState.RESTING: f"{_ctl('run-now', loop.name)} lets it look now",
        }
        raise _cannot("retry", loop, hint.get(loop.state, "only a failed or blocked loop can be retried"))
    service_units.retry(tx, loop)
    return _run(tx, loop, "retry")


@unit
def pause(tx: Tx, request: PauseLoop) -> Loop:
    """Finish the step in hand, then wait."""
    return _halt(tx, request.loop, "pause", Desired.PAUSE)


@unit
def stop(tx: Tx, request: StopLoop) -> Loop:
    """End its process now; a loop that is being cancelled stays so."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.desired is Desired.CANCEL and loop.state not in OVER:
        return _hurry(tx, loop, "stop")
    return _halt(tx, request.loop, "stop", Desired.STOP)


@unit
def cancel(tx: Tx, request: CancelLoop) -> Loop:
    """Withdraw the wish for good."""
    loop = loop_rows.get_loop_as_named(tx, request.loop)
    if loop.state is LoopState.CANCELLED:
        return loop
    if loop.state in OVER:
        raise _cannot("cancel", loop, f"{_ctl('delete', loop.name)} removes it")
    loop = _wish(tx, loop, Desired.CANCEL)
    return _hurry(tx, loop, "cancel") if request.now and loop.state not in OVER else loop


@unit
def run_now(tx: Tx, request: RunLoopNow) -> Loop:
    """Let a resting loop look now; one that looks already does."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.desired is not Desired.RUN or loop.state is LoopState.PAUSED:
        raise _cannot("run", loop, f"{_ctl('resume', loop.name)} goes on with it", now=True)
    match loop.state:
        case LoopState.RESTING:
            service_rows.change_loop(tx, loop.id, next_run_at=tx.now, restart_at=None, updated_at=tx.now)
            tx.emit(LoopDue(next_run_at=tx.now), subject=loop_subject(loop.id))
        case LoopState.PENDING | LoopState.RUNNING:
            pass
        case LoopState.WAITING:
            raise _cannot("run", loop, f"{_ctl('prompts', loop.name)} shows the question that it waits for", now=True)
        case LoopState.FAILED | LoopState.BLOCKED:
            raise _cannot("run", loop, f"{_ctl('retry', loop.name)} runs it once more", now=True)
        case _:
            raise _cannot("run", loop, "submit a new one", now=True)
    return loop_rows.get_loop(tx, loop.id)


@unit
def delete(tx: Tx, request: DeleteLoop) -> Deleted:
    """Remove a finished loop with its history."""
    loop = loop_rows.get_loop_as_named(tx, request.loop)
    if loop.desired is Desired.CANCEL and loop.state not in OVER:
        raise _is_being_cancelled("delete", loop)
    if loop.state not in OVER:
        raise _cannot("delete", loop, f"{_ctl('cancel', loop.name)} ends it first")
    if service_rows.is_held(loop):
        raise conflict(f"cannot delete {loop.name}: its process has not ended yet", "try again in a moment")
    service_rows.delete_loop(tx, loop.id)
    tx.emit(LoopDeleted(name=loop.name, state=loop.state), subject=loop_subject(loop.id))
    return Deleted(id=loop.id, name=loop.name)


def _run(tx: Tx, loop: Loop, verb: str) -> Loop:
    loop = loop_rows.get_loop(tx, loop.id)
    if loop.state in OVER:
        raise _cannot(verb, loop, "submit a new one")
    if loop.desired is Desired.CANCEL:
        raise conflict(f"cannot {verb} {loop.name}: it is being cancelled", "submit a new one")
    if not loop.managed and service_rows.is_held(loop):
        raise conflict(
            f"cannot {verb} {loop.name}: process {pid_of(loop.owner or '')} runs it in the foreground",
            "end that process first",
        )
    service_units.manage(tx, loop)
    service_units.wish(tx, loop, Desired.RUN)
    return loop_rows.get_loop(tx, loop.id)


def _halt(tx: Tx, ref: str, verb: str, desired: Desired) -> Loop:
    loop = loop_rows.get_loop(tx, ref)
    if loop.state in OVER or loop.state is LoopState.BLOCKED:
        raise _cannot(verb, loop, "nothing of it runs")
    if loop.desired is Desired.CANCEL:
        raise _is_being_cancelled(verb, loop)
    return _wish(tx, loop, desired)


def _is_being_cancelled(verb: str, loop: Loop) -> Problem:
    hint = f"it is cancelled when its step in hand is done; {_ctl('cancel --now', loop.name)} cuts that off"
    return conflict(f"cannot {verb} {loop.name}: it is being cancelled", hint)


def _hurry(tx: Tx, loop: Loop, verb: str) -> Loop:
    """What is being cancelled does not finish its step in hand; without a process it is over at once."""
    if not service_rows.is_held(loop):
        return service_units.settle(tx, loop)
    if not loop.managed:
        raise conflict(
            f"cannot {verb} {loop.name} now: process {pid_of(loop.owner or '')} runs it in the foreground",
            "it is cancelled when its step in hand is done; end that process to cut it off",
        )
    service_units.hurry(tx, loop)
    return loop


def _wish(tx: Tx, loop: Loop, desired: Desired) -> Loop:
    """Write it down; where no process has to stop first it is true at once."""
    service_units.wish(tx, loop, desired)
    loop = loop_rows.get_loop(tx, loop.id)
    return loop if service_rows.is_held(loop) else service_units.settle(tx, loop)


def _ctl(verb: str, name: str) -> str:
    return f"`ftl2ctl {verb} {shlex.quote(name)}`"


def _cannot(verb: str, loop: Loop, hint: str, *, now: bool = False) -> Problem:
    return conflict(f"cannot {verb} {loop.name}{' now' if now else ''}: it is {loop.state}", hint)
