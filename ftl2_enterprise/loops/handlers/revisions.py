"""Handlers of the revisions of desired states, one per verb."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.lease import pid_of
from ftl2_enterprise.core.problem import conflict, not_found
from ftl2_enterprise.loops.lifecycle import ENDED_LOOPS, RETRYABLE
from ftl2_enterprise.loops.rows import (
    loop_files as loop_file_rows,
    loops as loop_rows,
    processes as process_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import revisions as revision_units
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopSpec, Revision
from ftl2_enterprise.protocol.loops.replies import RevisionLine, RevisionPage
from ftl2_enterprise.protocol.loops.revision_changes import changed_files, changed_settings
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import (
    GetRevision,
    GetRevisionFile,
    ListRevisions,
    PreviewRollback,
    PreviewUpdate,
    RollbackLoop,
    UpdateLoop,
)
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table


@unit
def update_loop(tx: Tx, request: UpdateLoop) -> Loop:
    """Put another desired state in force; the loop stays as it is if nothing would change.

    Raises Problem(conflict) if another revision than expected is in force.
    """
    loop = updatable(tx, request)
    spec = _complete(loop, request.spec)
    if not changed_settings(loop.spec, spec) and not changed_files(loop.spec, spec):
        return loop
    base = revision_rows.get_revision(tx, loop.id, loop.revision)
    loop, revision_id = revision_units.put_in_force(tx, loop, spec, reason=request.reason)
    sent = {file.path: file.content for file in request.files}
    loop_file_rows.add_files(tx, loop.id, revision_id, sent)
    kept = {path for path in request.keeps if path in spec.files and path not in sent}
    loop_file_rows.copy_files(tx, loop.id, base.id, revision_id, only=kept)
    return loop


def preview_update(tx: Tx, request: PreviewUpdate, children: Table, spec: LoopSpec) -> LoopSpec:
    """The specification that the update would store. Raises Problem as `update_loop` does."""
    del children
    return _complete(updatable(tx, request), spec)


def updatable(tx: Tx, request: UpdateLoop | PreviewUpdate) -> Loop:
    """The loop, if its desired state can be changed now. Raises Problem: conflict or not_found."""
    return _changeable(tx, request.loop, request.based_on, "update")


def _complete(loop: Loop, spec: LoopSpec) -> LoopSpec:
    """The new specification of the loop. Raises Problem(conflict) if it lacks a file that it needs."""
    if (lost := _lost_file(loop.spec, spec)) is not None:
        raise conflict(
            f"cannot update {loop.name}: it has the file {lost}, which was not sent",
            "update it as a user who may read the file, or change the text so that it does not need it",
        )
    return msgspec.structs.replace(spec, name=loop.name)


@unit
def rollback_loop(tx: Tx, request: RollbackLoop) -> Loop:
    """Put the content of an earlier revision in force, as `update_loop`. Raises Problem as it does, or not_found."""
    found = restorable(tx, request)
    loop = loop_rows.get_loop(tx, request.loop)
    spec = _restored(loop, found)
    if not changed_settings(loop.spec, spec) and not changed_files(loop.spec, spec):
        return loop
    loop, revision_id = revision_units.put_in_force(tx, loop, spec, reason=request.reason, restores=request.to)
    loop_file_rows.copy_files(tx, loop.id, found.id, revision_id)
    return loop


def preview_rollback(tx: Tx, request: PreviewRollback, children: Table, spec: LoopSpec) -> LoopSpec:
    """The specification that the rollback would put in force. Raises Problem as `rollback_loop` does."""
    del children, spec
    found = restorable(tx, request)
    return _restored(loop_rows.get_loop(tx, request.loop), found)


def _restored(loop: Loop, revision: Revision) -> LoopSpec:
    return msgspec.structs.replace(revision.spec, name=loop.name)


def restorable(tx: Tx, request: RollbackLoop | PreviewRollback) -> Revision:
    """The earlier revision, if it can be put in force now. Raises Problem: conflict or not_found."""
    loop = _changeable(tx, request.loop, request.based_on, "roll back")
    return _revision(tx, loop, request.to)


def list_revisions(tx: Tx, request: ListRevisions, children: Table) -> RevisionPage:
    """A page of revisions, newest first."""
    del children
    return _page(tx, loop_rows.get_loop(tx, request.loop), before=request.before, limit=request.limit)


def newest(tx: Tx, loop: Loop) -> RevisionLine | None:
    """The revision in force."""
    found = _page(tx, loop, before=None, limit=1).revisions
    return found[0] if found else None


def _page(tx: Tx, loop: Loop, *, before: int | None, limit: int) -> RevisionPage:
    found = revision_rows.get_revisions(tx, loop.id, before=before, limit=limit + 1)
    page = found[:limit]
    lines = [
        RevisionLine(
            n=one.n,
            created_at=one.created_at,
            created_by=one.created_by,
            reason=one.reason,
            restores=one.restores,
            changed=[]
            if previous is None
            else [*changed_settings(previous.spec, one.spec), *changed_files(previous.spec, one.spec)],
        )
        for one, previous in zip(page, [*found[1:], None], strict=False)
    ]
    more = page[-1].n if len(found) > len(page) else None
    return RevisionPage(loop=loop.name, in_force=loop.revision, revisions=lines, more=more)


def get_revision(tx: Tx, request: GetRevision, children: Table) -> Revision:
    """One revision."""
    del children
    return _revision(tx, loop_rows.get_loop(tx, request.loop), request.n)


def get_revision_file(tx: Tx, request: GetRevisionFile, children: Table) -> SentFile:
    """A file of a revision. Raises Problem(not_found)."""
    del children
    loop = loop_rows.get_loop(tx, request.loop)
    content = loop_file_rows.get_file(tx, _revision(tx, loop, request.n).id, request.path)
    if content is None:
        raise not_found(
            f"cannot find the file {request.path} in the revision {request.n} of {loop.name}",
            "only files that were sent are stored",
        )
    return SentFile(path=request.path, content=content)


def _lost_file(before: LoopSpec, after: LoopSpec) -> str | None:
    """A stored file that the new revision would lack, although it needs the same files."""
    if any(
        getattr(before, name) != getattr(after, name)
        for name in ("desired_state", "source", "inventory", "policy", "decider")
    ):
        return None
    return next((path for path in sorted(before.files) if path not in after.files), None)


def _changeable(tx: Tx, ref: str, based_on: int, verb: str) -> Loop:
    loop = loop_rows.get_loop(tx, ref)
    if loop.state in ENDED_LOOPS and loop.state not in RETRYABLE:
        raise conflict(f"cannot {verb} {loop.name}: it has ended ({loop.state})", "submit a new one")
    if loop.desired is Desired.CANCEL and loop.state not in ENDED_LOOPS:
        raise conflict(f"cannot {verb} {loop.name}: it is being cancelled", "submit a new one")
    if not loop.managed:
        if process_rows.is_held(loop):
            raise conflict(
                f"cannot {verb} {loop.name}: process {pid_of(loop.owner or '')} runs it in the foreground",
                "end that process first",
            )
        raise conflict(
            f"cannot {verb} {loop.name}: the service does not run it",
            f"`ftl2ctl start {shlex.quote(loop.name)}` lets the service run it",
        )
    if based_on > loop.revision:
        raise conflict(f"cannot {verb} {loop.name}: it has no revision {based_on}", _list(loop))
    if based_on < loop.revision:
        by = revision_rows.get_revision(tx, loop.id, loop.revision).created_by
        maker = f" by {by.partition(' (uid ')[0]}" if by else ""
        raise conflict(
            f"cannot {verb} {loop.name}: revision {loop.revision}{maker} is newer than {based_on}",
            f"see it with `ftl2ctl diff {shlex.quote(loop.name)} {based_on} {loop.revision}`",
        )
    return loop


def _revision(tx: Tx, loop: Loop, n: int) -> Revision:
    found = revision_rows.find_revision(tx, loop.id, n)
    if found is None:
        raise not_found(f"cannot find the revision {n} of {loop.name}", _list(loop))
    return found


def _list(loop: Loop) -> str:
    return f"`ftl2ctl revisions {shlex.quote(loop.name)}` lists them"
