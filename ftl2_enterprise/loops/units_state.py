"""Units of work about what a loop knows of hosts and resources; see `units`."""

from __future__ import annotations

from ftl2_enterprise.loops import store, store_hosts
from ftl2_enterprise.protocol.decision import StateOp
from ftl2_enterprise.protocol.loops import Iteration
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def change_state(tx: Tx, iteration: Iteration, ops: list[StateOp], refused: list[str]) -> None:
    """Carry out the operations, and record why others make no sense."""
    for reason in refused:
        store.emit(tx, iteration, "state.refused", reason=reason)
    for op in ops:
        match op.op:
            case "add_host":
                store_hosts.upsert_host(
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
                store_hosts.upsert_resource(tx, iteration.loop_id, op.name, op.data)
            case _:
                store_hosts.remove_host(tx, iteration.loop_id, op.name, listed=op.data.get("listed") is True)
                store_hosts.remove_resource(tx, iteration.loop_id, op.name)
        store.emit(tx, iteration, "state.changed", op=op.op, name=op.name)
