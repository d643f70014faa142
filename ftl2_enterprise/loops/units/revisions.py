"""The change of the desired state of a loop: one transaction, with or without a process that has the earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops.lifecycle import RETRYABLE
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    processes as process_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import desired_state as desired_units
from ftl2_enterprise.protocol.loops.facts import LoopUpdated, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.protocol.loops.revision_changes import keeps_steps

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
    from ftl2_enterprise.store.tx import Tx


def put_in_force(
    tx: Tx, loop: Loop, spec: LoopSpec, *, reason: str | None, restores: int | None = None
) -> tuple[Loop, int]:
    """Make the next revision of the loop; returns the loop, and the id of the revision.

    A live process starts no further action with the earlier one. A loop that has failed or is blocked runs again.
    """
    n = loop.revision + 1
    revision_id = revision_rows.insert_revision(tx, loop.id, n, spec, reason=reason, restores=restores)
    loop_rows.change_loop(
        tx,
        loop.id,
        revision=n,
        spec=spec,
        desired_state=spec.desired_state,
        mode=spec.mode,
        left_out=loop.left_out if keeps_steps(loop.spec, spec) else [],
        updated_at=tx.now,
    )
    fact = LoopUpdated(
        revision=n,
        was=loop.revision,
        restores=restores,
        reason=reason,
        state=loop.state,
        state_reason=loop.reason,
    )
    tx.emit(fact, subject=loop_subject(loop.id))
    loop = loop_rows.get_loop(tx, loop.id)
    if loop.state in RETRYABLE:
        desired_units.retry(tx, loop)
        desired_units.request(tx, loop, Desired.RUN)
        loop = loop_rows.get_loop(tx, loop.id)
    if not process_rows.is_held(loop):
        loop = desired_units.supersede(tx, loop)
    if loop.desired is Desired.RUN:
        desired_units.manage(tx, loop)
    return loop_rows.get_loop(tx, loop.id), revision_id
