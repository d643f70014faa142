"""Units of work about the hosts and resources that a loop registers; see `units.runs`."""

from __future__ import annotations

from ftl2_enterprise.loops.rows import hosts as host_rows
from ftl2_enterprise.protocol.loops.decision import StateOp
from ftl2_enterprise.protocol.loops.facts import StateChanged, StatePreviewed, StateRefused, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Iteration
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def change_state(
    tx: Tx, iteration: Iteration, ops: list[StateOp], refused: list[str], *, previewed: bool = False
) -> None:
    """Apply the state operations, and record the reasons why others were refused.

    `previewed`: they are recorded as what would be applied outside of a dry run.
    """
    subject = loop_subject(iteration.loop_id)
    for reason in refused:
        tx.emit(StateRefused(iteration_id=iteration.id, reason=reason), subject=subject)
    for op in ops:
        if previewed:
            tx.emit(StatePreviewed(iteration_id=iteration.id, op=op.op, name=op.name), subject=subject)
            continue
        match op.op:
            case "add_host":
                host_rows.upsert_host(
                    tx,
                    iteration.loop_id,
                    op.name,
                    ansible_host=op.ansible_host,
                    ansible_port=op.ansible_port,
                    ansible_user=op.ansible_user,
                    groups=op.groups,
                    variables=op.data,
                )
            case "add_resource":
                host_rows.upsert_resource(tx, iteration.loop_id, op.name, op.data)
            case _:
                host_rows.remove_host(tx, iteration.loop_id, op.name, listed=op.data.get("listed") is True)
                host_rows.remove_resource(tx, iteration.loop_id, op.name)
        tx.emit(StateChanged(iteration_id=iteration.id, op=op.op, name=op.name), subject=subject)
