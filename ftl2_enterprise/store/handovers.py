"""The last unit of work that each client of the writer has handed over."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from ftl2_enterprise.store.schema import metadata

handovers = Table(
    "handovers",
    metadata,
    Column("client", Text, primary_key=True, nullable=False),
    Column("number", Integer, nullable=False),
    Column("result", LargeBinary, nullable=True),
)
