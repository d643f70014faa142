"""What tables declare differently for each database system.

Tables are declared before a driver is known, so this goes by the name of SQLAlchemy's dialect, and SQLAlchemy ignores
what is declared for another one. A new driver adds its options to each function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import DDL, event

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table, TextClause


def ids_never_reused() -> dict[str, Any]:
    """Options of a table whose ids are given once, also after the row with the highest one was deleted."""
    return {"sqlite_autoincrement": True}


def only_where(condition: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """Options of an index of those rows that satisfy the condition."""
    return {"sqlite_where": condition}


def append_only(table: Table) -> dict[str, str]:
    """Refuse to change or delete rows of the table; returns what creates its triggers, by their names."""
    triggers = {
        f"{table.name}_{name}": (
            f"CREATE TRIGGER {table.name}_{name} BEFORE {change} ON {table.name} "
            f"BEGIN SELECT RAISE(ABORT, '{table.name} are append-only'); END"
        )
        for name, change in (("never_change", "UPDATE"), ("never_go", "DELETE"))
    }
    for statement in triggers.values():
        event.listen(table, "after_create", DDL(statement).execute_if(dialect="sqlite"))
    return triggers
