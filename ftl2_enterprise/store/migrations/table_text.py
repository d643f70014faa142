"""Changes the text of tables.

SQLite cannot change the CHECK constraints of a table, and copying a table can take minutes. A constraint that every
row satisfies does not affect what is stored, so the text of the table is changed instead, as section 7 of
lang_altertable.html in the documentation of SQLite describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Mapping


def replace_in_tables(changes: Mapping[str, Mapping[str, str]]) -> None:
    """Replace texts in the definitions of tables, by table: each old text is replaced once by the new one.

    Raises RuntimeError when a table was made in another way.
    """
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    try:
        for table, replacements in changes.items():
            changed = connection.execute(
                sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": table}
            ).scalar_one()
            for old, new in replacements.items():
                changed = changed.replace(old, new, 1)
                if new not in changed:
                    raise RuntimeError(f"the table {table} has other constraints than it was made with")
            connection.execute(
                sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"),
                {"sql": changed, "name": table},
            )
        # Other connections, and this one, read the schema again when its version has changed.
        connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    finally:
        connection.execute(sa.text("PRAGMA writable_schema = RESET"))
