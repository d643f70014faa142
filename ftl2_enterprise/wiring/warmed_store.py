"""The store of the warm-up, whose compiled queries children reuse for the real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.wiring.database import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.database import Store

_warmed: list[Store] = []


def keep(database: Store) -> None:
    """Keep the closed store of the warm-up for the first `open_warmed` of each child."""
    _warmed.append(database)


def open_warmed(path: Path) -> Store:
    """The database at that path for reading, with the compiled queries of the warm-up. Raises Problem."""
    if not _warmed:
        return open_database(path, create=False)
    database = _warmed.pop()
    database.reopen(path)
    return database
