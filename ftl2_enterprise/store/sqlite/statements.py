"""Statements and the engine of SQLite: the part of the driver that loads SQLAlchemy."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Dialect, Engine, Insert, Table


def make_dialect() -> Dialect:
    """As Driver.dialect."""
    return sqlite.dialect(dbapi=sqlite3, paramstyle="qmark")


def make_engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    """As Driver.engine."""
    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


def upsert(table: Table, *, key: Collection[str], update: Collection[str]) -> Insert:
    """As Driver.upsert."""
    insert = sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=list(key), set_={name: insert.excluded[name] for name in update}
    )


def insert_or_ignore(table: Table) -> Insert:
    """As Driver.insert_or_ignore."""
    return sqlite.insert(table).on_conflict_do_nothing()
