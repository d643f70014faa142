"""Handlers that change loops, one per verb. Each writes intent, and applies it if the loop has no process."""

from __future__ import annotations

import shlex

import msgspec

from ftl2_enterprise.core.lease import pid_of
from ftl2_enterprise.core.problem import Problem, conflict
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS, RETRYABLE
from ftl2_enterprise.loops.rows import (
    approvals as approval_rows,
    loop_deletion,
    loop_files as loop_file_rows,
    loop_names,
    loops as loop_rows,
    processes as process_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import desired_state as desired_units
from ftl2_enterprise.protocol.loops.facts import LoopDeleted, LoopDue, loop_subject
from ftl2_enterprise.protocol.loops.naming import check_name, name_for
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopSpec, LoopState
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


@unit
def submit_loop(tx: Tx, request: SubmitLoop) -> Loop:
    """Create the loop; without a name in its spec it gets a default one that is unused."""
    spec = request.spec
    if spec.name:
        check_name(spec.name)
        if loop_names.is_taken(tx, spec.name):
            raise _name_taken(spec.name, loop_rows.get_loop(tx, spec.name), spec.source)
    else:
        spec = msgspec.structs.replace(spec, name=_default_name(tx, spec))
    loop = loop_rows.create_loop(tx, spec)
    revision = revision_rows.get_revision(tx, loop.id, loop.revision)
    loop_file_rows.add_files(tx, loop.id, revision.id, {file.path: file.content for file in request.files})
    loop_rows.change_loop(tx, loop.id, managed=True, priority=request.priority, submitted_by=tx.actor)
    if request.paused:
        desired_units.request(tx, loop, Desired.PAUSE)
        return desired_units.settle(tx, loop_rows.get_loop(tx, loop.id))
    return loop_rows.get_loop(tx, loop.id)


def _default_name(tx: Tx, spec: LoopSpec) -> str:
    """The derived name, numbered after loops that have ended. Raises Problem(conflict) if one of them has not.

    Two loops that manage the same thing would be a mistake more often than a purpose. A dry run changes nothing.
    """
    made = name_for(spec.desired_state, spec.source, dry_run=spec.dry_run)
    free = loop_names.free_name(tx, made)
    if not spec.dry_run and (other := loop_names.first_open(tx, made, free)) is not None:
        raise _name_taken(made, other, spec.source)
    return free


def _name_taken(name: str, loop: Loop, source: str | None) -> Problem:
    file = source if source and not source.endswith("/-") else None
    remedy = f"update {{}} -f {shlex.quote(file) if file else 'FILE'}` changes its desired state"
    if loop.state in ENDED_LOOPS and loop.state not in RETRYABLE:
        remedy = "delete {}` deletes it, because it has ended"
    elif not loop.managed:
        remedy = "start {}` lets the service run it"
    why = "a loop with that name exists" if loop.name == name else f'the loop "{loop.name}" has not ended'
    return conflict(
        f'cannot submit the loop "{name}": {why}',
        f"`ftl2ctl {remedy.format(shlex.quote(loop.name))}; `--name NAME` makes another loop",
    )


@unit
def start_loop(tx: Tx, request: StartLoop) -> Loop:
    """Run the loop from any state but a final one."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state in RETRYABLE:
        desired_units.retry(tx, loop)
    desired_units.use_model(tx, loop)
    return _run(tx, loop, "start")


@unit
def resume_loop(tx: Tx, request: ResumeLoop) -> Loop:
    """Continue after a pause or a stop."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state in RETRYABLE:
        raise _cannot("resume", loop, f"{_ctl('retry', loop.name)} runs it again")
    return _run(tx, loop, "resume")


@unit
def retry_loop(tx: Tx, request: RetryLoop) -> Loop:
    """Run a failed or blocked loop again."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.state not in RETRYABLE:
        hint = {
            LoopState.PAUSED: f"{_ctl('resume', loop.name)} continues it",
            LoopState.RESTING: f"{_ctl('run-now', loop.name)} reconciles it now",
        }
        raise _cannot("retry", loop, hint.get(loop.state, "only a failed or blocked loop can be retried"))
    desired_units.retry(tx, loop)
    desired_units.use_model(tx, loop)
    return _run(tx, loop, "retry")


@unit
def pause_loop(tx: Tx, request: PauseLoop) -> Loop:
    """Pause the loop after its current step."""
    return _halt(tx, request.loop, "pause", Desired.PAUSE)


@unit
def stop_loop(tx: Tx, request: StopLoop) -> Loop:
    """End the process of the loop now; a loop that is being cancelled stays so."""
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.desired is Desired.CANCEL and loop.state not in ENDED_LOOPS:
        return _expedite(tx, loop, "stop")
    return _halt(tx, request.loop, "stop", Desired.STOP)


@unit
def cancel_loop(tx: Tx, request: CancelLoop) -> Loop:
    """Cancel the loop; a cancelled loop cannot be run again."""
    loop = loop_rows.get_loop_as_named(tx, request.loop)
    if loop.state is LoopState.CANCELLED:
        return loop
    if loop.state in ENDED_LOOPS:
        raise _cannot("cancel", loop, f"{_ctl('delete', loop.name)} removes it")
    loop = _request(tx, loop, Desired.CANCEL)
    return _expedite(tx, loop, "cancel") if request.now and loop.state not in ENDED_LOOPS else loop


@unit
def run_loop_now(tx: Tx, request: RunLoopNow) -> Loop:
    """Let a resting loop reconcile now; a running or pending one does so already.

    A person asks for it, so a loop asks again about what was rejected before.
    """
    loop = loop_rows.get_loop(tx, request.loop)
    if loop.desired is not Desired.RUN or loop.state is LoopState.PAUSED:
        raise _cannot("run", loop, f"{_ctl('resume', loop.name)} continues it", now=True)
    match loop.state:
        case LoopState.RESTING:
            approval_rows.forget_rejections(tx, loop.id)
            loop_rows.change_loop(tx, loop.id, next_run_at=tx.now, restart_at=None, updated_at=tx.now)
            tx.emit(LoopDue(next_run_at=tx.now), subject=loop_subject(loop.id))
        case LoopState.PENDING | LoopState.RUNNING:
            pass
        case LoopState.WAITING:
            raise _cannot("run", loop, f"{_ctl('prompts', loop.name)} shows the open question", now=True)
        case LoopState.FAILED | LoopState.BLOCKED:
            raise _cannot("run", loop, f"{_ctl('retry', loop.name)} runs it again", now=True)
        case _:
            raise _cannot("run", loop, "submit a new one", now=True)
    return loop_rows.get_loop(tx, loop.id)


@unit
def delete_loop(tx: Tx, request: DeleteLoop) -> Deleted:
    """Remove a finished loop with its history."""
    loop = loop_rows.get_loop_as_named(tx, request.loop)
    if loop.desired is Desired.CANCEL and loop.state not in ENDED_LOOPS:
        raise _is_being_cancelled("delete", loop)
    if loop.state not in ENDED_LOOPS:
        raise _cannot("delete", loop, f"{_ctl('cancel', loop.name)} ends it first")
    if process_rows.is_held(loop):
        raise conflict(f"cannot delete {loop.name}: its process has not ended yet", "try again in a moment")
    loop_deletion.delete_loop(tx, loop.id)
    tx.emit(LoopDeleted(name=loop.name, state=loop.state), subject=loop_subject(loop.id))
    return Deleted(id=loop.id, name=loop.name)


def _run(tx: Tx, loop: Loop, verb: str) -> Loop:
    loop = loop_rows.get_loop(tx, loop.id)
    if loop.state in ENDED_LOOPS:
        raise _cannot(verb, loop, "submit a new one")
    if loop.desired is Desired.CANCEL:
        raise conflict(f"cannot {verb} {loop.name}: it is being cancelled", "submit a new one")
    if not loop.managed and process_rows.is_held(loop):
        raise conflict(
            f"cannot {verb} {loop.name}: process {pid_of(loop.owner or '')} runs it in the foreground",
            "end that process first",
        )
    desired_units.manage(tx, loop)
    desired_units.request(tx, loop, Desired.RUN)
    return loop_rows.get_loop(tx, loop.id)


def _halt(tx: Tx, ref: str, verb: str, desired: Desired) -> Loop:
    loop = loop_rows.get_loop(tx, ref)
    if loop.state in ENDED_LOOPS or loop.state is LoopState.BLOCKED:
        raise _cannot(verb, loop, f"{_ctl('show', loop.name)} shows why")
    if loop.desired is Desired.CANCEL:
        raise _is_being_cancelled(verb, loop)
    return _request(tx, loop, desired)


def _is_being_cancelled(verb: str, loop: Loop) -> Problem:
    hint = f"it is cancelled after its current step; {_ctl('cancel --now', loop.name)} interrupts the step"
    return conflict(f"cannot {verb} {loop.name}: it is being cancelled", hint)


def _expedite(tx: Tx, loop: Loop, verb: str) -> Loop:
    """Interrupt the current step of a loop that is being cancelled; without a process, cancel it immediately."""
    if not process_rows.is_held(loop):
        return desired_units.settle(tx, loop)
    if not loop.managed:
        raise conflict(
            f"cannot {verb} {loop.name} now: process {pid_of(loop.owner or '')} runs it in the foreground",
            "it is cancelled after its current step; end that process to interrupt the step",
        )
    desired_units.expedite(tx, loop)
    return loop


def _request(tx: Tx, loop: Loop, desired: Desired) -> Loop:
    """Record the desired state, and apply it immediately if no process has to stop first."""
    desired_units.request(tx, loop, desired)
    loop = loop_rows.get_loop(tx, loop.id)
    return loop if process_rows.is_held(loop) else desired_units.settle(tx, loop)


def _ctl(verb: str, name: str) -> str:
    return f"`ftl2ctl {verb} {shlex.quote(name)}`"


def _cannot(verb: str, loop: Loop, hint: str, *, now: bool = False) -> Problem:
    return conflict(f"cannot {verb} {loop.name}{' now' if now else ''}: {_state_of(loop)}", hint)


def _state_of(loop: Loop) -> str:
    if loop.state not in ENDED_LOOPS:
        return f"it is {loop.state}"
    return f"it has ended ({loop.state if loop.outcome is None else loop.outcome.words})"
