"""Ids that were given: the database counts them, and continues when the rows are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table

    from ftl2_enterprise.store.tx import Tx

BEYOND = 2**63
"""No id is as high, and a database cannot store the number."""


def was_given(tx: Tx, table: Table, row_id: int) -> bool:
    """Whether a row of the table has that id, or had it before it was deleted."""
    return 0 < row_id <= tx.driver.last_id(tx.raw, table.name)
