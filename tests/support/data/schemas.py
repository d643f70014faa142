"""What a database holds, in a form that can be compared."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, cast

from sqlalchemy import create_engine, text

from ftl2_enterprise.loops import tables
from ftl2_enterprise.store import freezes, idempotency

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

METADATA = tables.loops.metadata
assert idempotency.handovers.metadata is freezes.freezes.metadata is METADATA

type Schema = dict[tuple[str, str], set[str]]
type Rows = dict[str, list[dict[str, object]]]


def expected_schema() -> Schema:
    """The schema that the tables of the program declare."""
    engine = create_engine("sqlite://")
    try:
        METADATA.create_all(engine)
        with engine.connect() as connection:
            return schema(connection)
    finally:
        engine.dispose()


def schema(connection: Connection) -> Schema:
    """Every object with the parts of its definition, in no order and without layout."""
    rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master WHERE name <> 'alembic_version'"))
    found: Schema = {}
    for kind, name, definition in rows:
        if name == "sqlite_autoindex_alembic_version_1":
            continue
        # SQLite quotes the name of a table that has been renamed.
        sql = (definition or "").replace(f'CREATE TABLE "{name}"', f"CREATE TABLE {name}")
        # A column that was added to a table is at the end of its definition.
        sql = re.sub(r"\n?, (\w+ [A-Z]+)\)$", r",\n\t\1\n)", sql)
        while (split := re.sub(r"(?m)^(\t.*?), (\w+ (?:TEXT|INTEGER|REAL)\b)", r"\1,\n\t\2", sql)) != sql:
            sql = split
        # SQLAlchemy declares a reference as a constraint of the table, an added column has its own.
        sql = re.sub(r"(?m)^\t(\w+) (\w+) (REFERENCES [^,\n]+)", r"\t\1 \2,\n\tFOREIGN KEY(\1) \3", sql)
        body = re.sub(r"\s+", " ", sql).strip()
        if kind == "table" and "(" in body:
            # Columns and constraints are one a line in what SQLAlchemy writes; their order has no meaning.
            found[kind, name] = {line.strip().rstrip(",") for line in sql.splitlines() if line.strip()}
        else:
            found[kind, name] = {body}
    return found


def rows(path: Path) -> Rows:
    """Every row of every table, by column name, and which ids were given."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1")]
            for name in names
            if name != "alembic_version"
        }


def highest_given(path: Path) -> dict[str, int]:
    """By table, the highest id that it counts, has, or has had according to the facts."""
    named = {"iterations": "iteration_id", "actions": "action_id", "prompts": "prompt_id", "model_calls": "call_id"}
    found = rows(path)
    highest = {str(row["name"]): cast("int", row["seq"]) for row in found["sqlite_sequence"]}
    for name, table in METADATA.tables.items():
        if "id" in table.c:
            highest[name] = max(highest.get(name, 0), *(cast("int", row["id"]) for row in found.get(name, ())), 0)
    for fact in found["events"]:
        fields = {"iteration_id": fact.get("iteration_id"), **json.loads(str(fact["data"]))}
        for name, key in named.items():
            highest[name] = max(highest[name], fields.get(key) or 0)
    return highest
