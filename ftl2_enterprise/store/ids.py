"""Ids that were given: SQLite counts them itself, and goes on counting when the rows are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table

    from ftl2_enterprise.store.tx import Tx

BEYOND = 2**63
"""No id is as high, and SQLite refuses the number itself."""


def was_given(tx: Tx, table: Table, row_id: int) -> bool:
    """Whether a row of the table has that id, or had it before it was deleted."""
    found = tx.driver.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    return found is not None and 0 < row_id <= found[0]
