"""Which schema a database has, without loading Alembic (a third of a second) and, where possible, SQLAlchemy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING

from ftl2_enterprise.core import problem

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, MetaData

REVISIONS: tuple[str, ...] = ("0001", "0002", "0003", "0004")
"""Every migration, oldest first; a test proves that Alembic says the same."""


class Schema(StrEnum):
    """What a file holds."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"


def is_current(path: Path) -> bool:
    """Whether the file is a database with the current schema and a write-ahead log, so that nothing is to be done.

    False also when that cannot be determined. The service is started by this alone: SQLAlchemy takes 0.2 s to load.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return mode == ("wal",) and found == [(REVISIONS[-1],)]


def look(connection: Connection, path: Path) -> Schema:
    """Which schema the database has.

    Raises Problem(invalid) when it is newer than this program or belongs to another one.
    """
    from ftl2_enterprise.store.prepared import run  # noqa: PLC0415 - see is_current()

    # By the driver: every process of a loop asks this first, and SQLAlchemy would take longer for it than SQLite.
    driver = connection.connection.driver_connection
    known = [name for (name,) in run(driver, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    if not known:
        return Schema.EMPTY
    if "alembic_version" not in known:
        raise problem.invalid(
            f"cannot open the database {path}: it belongs to another program", "give another path with --db"
        )
    row = run(driver, "SELECT version_num FROM alembic_version").fetchone()
    version = None if row is None else row[0]
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


def create(connection: Connection, tables: MetaData) -> None:
    """Make the tables as they are declared, inside the transaction that the connection is in.

    What the migrations come to, which a test proves, in a fraction of the time: for a database that is thrown away.
    """
    tables.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))


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
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if lost:
        raise RuntimeError(f"after the migration {len(lost)} rows refer to rows that do not exist: {lost[:3]}")
