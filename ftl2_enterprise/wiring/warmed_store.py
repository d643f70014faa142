"""The store that the warm-up has used: with it, opening the real database in a child compiles nothing again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.wiring.database import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.database import Store

_warmed: list[Store] = []


def keep(database: Store) -> None:
    """Keep the store of the warm-up, which is closed, for the first `open_warmed` of each child."""
    _warmed.append(database)


def open_warmed(path: Path) -> Store:
    """The database at that path for reading, opened with what the warm-up has compiled. Raises Problem."""
    if not _warmed:
        return open_database(path, create=False)
    database = _warmed.pop()
    database.reopen(path)
    return database
