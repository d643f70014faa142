"""How far readers of the event log have come, for readers whose work is in the database too."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.store.events import cursors, last_event
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def begin(tx: Tx, reader: str) -> int:
    """The cursor of the reader: the id of the last event that it has read. A new reader begins at the end of the log.

    So does one whose cursor is after the last event, as in a database that was restored in part: otherwise it would
    not see the next events, which get these ids.
    """
    newest = last_event(tx)
    known = tx.connection.execute(select(cursors.c.event_id).where(cursors.c.reader == reader)).scalar()
    if known is None:
        tx.connection.execute(insert(cursors).values(reader=reader, event_id=newest))
        return newest
    if known > newest:
        tx.connection.execute(update(cursors).where(cursors.c.reader == reader).values(event_id=newest))
        return newest
    return int(known)


@unit
def move(tx: Tx, reader: str, before: int, to: int) -> None:
    """Move the cursor of the reader, in the transaction of what it does about the events up to there.

    Raises Problem(conflict) when the cursor is not at `before`: another process has moved it.
    """
    moved = update(cursors).where(cursors.c.reader == reader, cursors.c.event_id == before).values(event_id=to)
    if tx.connection.execute(moved).rowcount == 0:
        raise conflict(f"cannot move the cursor of {reader}: it is not at {before}")
