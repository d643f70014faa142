"""The history of freezes: who ordered and who ended each. The files next to the database decide what is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Index, Integer, Table, Text, insert, select, update

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.store.columns import Flag, Word, Words, check, flag, known
from ftl2_enterprise.store.dialects import only_where
from ftl2_enterprise.store.rows import Reader
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx

freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("scope", Word(FreezeScope), nullable=False),
    Column("of", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("by", Words, nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer, nullable=True),
    Column("now", Flag, nullable=False),
    Column("by_administrator", Flag, nullable=False),
    Column("ended_at", Integer, nullable=True),
    Column("ended_by", Words, nullable=True),
    known("freezes", "scope", FreezeScope),
    check("freezes", "id_given", "id <> ''"),
    check("freezes", "of_given", "(scope = 'all') = (\"of\" = '')"),
    flag("freezes", "now"),
    flag("freezes", "by_administrator"),
    check("freezes", "ended", "(ended_at IS NOT NULL) = (ended_by IS NOT NULL)"),
)
Index("freezes_open", freezes.c.id, **only_where(freezes.c.ended_at.is_(None)))

_FREEZES = Reader(freezes, Freeze)


def insert_freeze(tx: Tx, freeze: Freeze) -> bool:
    """Record a freeze that is in force; False if it is recorded as such already."""
    state = tx.connection.execute(select(freezes.c.ended_at).where(freezes.c.id == freeze.id)).first()
    if state is None:
        values = {name: getattr(freeze, name) for name in Freeze.__struct_fields__}
        tx.connection.execute(insert(freezes).values(**values))
        return True
    if state[0] is None:
        return False
    tx.connection.execute(update(freezes).where(freezes.c.id == freeze.id).values(ended_at=None, ended_by=None))
    return True


def end_freeze(tx: Tx, freeze_id: str, *, by: str, at: Instant) -> bool:
    """Record the end of a freeze; False if that is recorded already, or the freeze is not known."""
    open_one = update(freezes).where(freezes.c.id == freeze_id, freezes.c.ended_at.is_(None))
    return tx.connection.execute(open_one.values(ended_at=at, ended_by=by)).rowcount == 1


def open_freezes(tx: Tx) -> list[Freeze]:
    """The freezes whose end is not recorded, oldest first."""
    found = _FREEZES.select().where(freezes.c.ended_at.is_(None)).order_by(freezes.c.since, freezes.c.id)
    return _FREEZES.all(tx.connection.execute(found))


def ended_freezes(tx: Tx, *, limit: int) -> list[tuple[Freeze, Instant, str]]:
    """The last freezes that have ended, newest first, each with the time of its end and who ended it."""
    found = (
        select(*_FREEZES.columns, freezes.c.ended_at, freezes.c.ended_by)
        .where(freezes.c.ended_at.is_not(None))
        .order_by(freezes.c.ended_at.desc(), freezes.c.id)
        .limit(limit)
    )
    rows = [list(row) for row in tx.connection.execute(found)]
    return [(_FREEZES.one(row[:-2]), row[-2], row[-1]) for row in rows]
