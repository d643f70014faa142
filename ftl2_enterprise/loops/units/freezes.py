"""Units of work about freezes."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from ftl2_enterprise.core.clock import after
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.tables import loops
from ftl2_enterprise.protocol.loops.facts import LoopDue, loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.service.facts import ServiceThawed
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def continue_loops(tx: Tx, event: Event) -> None:
    """Make the loops due that a freeze held which has ended: all now, or one after the other over its period."""
    thawed = msgspec.convert(event.data, ServiceThawed)
    held = select(loops.c.id, loops.c.state).where(loops.c.frozen_by == thawed.freeze).order_by(loops.c.id)
    rows = list(tx.connection.execute(held))
    for place, (loop_id, state) in enumerate(rows):
        if state is not LoopState.RESTING:
            loop_rows.change_loop(tx, loop_id, frozen_by=None, updated_at=tx.now)
            continue
        due = after(tx.now, thawed.over * place / len(rows))
        loop_rows.change_loop(tx, loop_id, frozen_by=None, reason=None, next_run_at=due, updated_at=tx.now)
        tx.emit(LoopDue(next_run_at=due), subject=loop_subject(loop_id))
