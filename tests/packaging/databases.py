"""An old database, and which schema one has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ftl2_enterprise.store.branches import name_of
from ftl2_enterprise.wiring.migrations import branches

CURRENT = name_of(branches().heads)
OLD = Path(__file__).parents[1] / "compat" / "data" / "loops-0001.db.gz"


def revision(path: Path) -> str:
    """The checks of the database on itself."""
    with closing(sqlite3.connect(path)) as connection:
        return name_of(row[0] for row in connection.execute("SELECT version_num FROM alembic_version"))
