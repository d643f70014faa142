"""Which schema a database has, told without loading Alembic, which costs a third of a second."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import text

from ftl2_enterprise.core import problem

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

REVISIONS: tuple[str, ...] = ("0001", "0002", "0003", "0004")
"""Every migration, oldest first; a test proves that Alembic says the same."""


class Schema(StrEnum):
    """What a file holds."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"


def look(connection: Connection, path: Path) -> Schema:
    """Which schema the database has.

    Raises Problem(invalid) when it is newer than this program or belongs to another one.
    """
    tables = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    if not tables:
        return Schema.EMPTY
    if "alembic_version" not in tables:
        raise problem.invalid(
            f"cannot open the database {path}: it belongs to another program", "give another path with --db"
        )
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None:
        return Schema.OLDER
    if version == REVISIONS[-1]:
        return Schema.CURRENT
    if version in REVISIONS:
        return Schema.OLDER
    raise problem.invalid(
        f"cannot open the database {path}: its schema {version} is newer than this program",
        "upgrade ftl2-enterprise, or give another path with --db",
    )


def migrate(connection: Connection) -> None:
    """Bring the schema up to date inside the transaction that the connection is in."""
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "ftl2_enterprise.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Raise RuntimeError when a row refers to one that does not exist: then the migration has lost something."""
    lost = connection.execute(text("PRAGMA foreign_key_check")).all()
    if lost:
        raise RuntimeError(f"after the migration {len(lost)} rows refer to rows that do not exist: {lost[:3]}")
