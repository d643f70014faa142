"""The table of notes."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from ftl2_enterprise.store import texts
from ftl2_enterprise.store.columns import Words, number, stored
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.texts import TextReferrer

notes = Table(
    "notes",
    metadata,
    number(),
    Column("name", Words, nullable=False, unique=True),
    Column("created_at", Integer, nullable=False),
    Column("archived_at", Integer, nullable=True),
    *stored("notes", "text"),
    sqlite_autoincrement=True,
)

texts.register(TextReferrer(notes, ("text",)))
