"""Which schema a database has, without loading Alembic (a third of a second) and, where possible, SQLAlchemy."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ftl2_enterprise.core import problem
from ftl2_enterprise.store.branches import branch_of, name_of, versions_of, why_inconsistent
from ftl2_enterprise.store.drivers import DRIVER

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from sqlalchemy import Connection, MetaData

    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.store.branches import Branches
    from ftl2_enterprise.store.driver import Driver, RawConnection

VERSIONS = "alembic_version"
"""The table in which Alembic keeps the applied revisions."""
OWN = frozenset({"events", "texts"})
"""Tables that every database of this program has."""


class Schema(StrEnum):
    """What a database holds."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"


def is_current(path: Path, branches: Branches, *, driver: Driver = DRIVER) -> bool:
    """Whether the database has the current schema and needs no preparation.

    False also when that cannot be determined. The service decides by this alone whether to migrate at its start.
    """
    return driver.stored_revisions(path) == branches.heads


def applied(driver: Driver, connection: RawConnection, path: Path) -> frozenset[str] | None:
    """The revisions that the database lists; None when it has no tables at all.

    Raises Problem(invalid) when it belongs to another program, or its list is damaged.
    """
    # By the driver: a child begins with this, and SQLAlchemy would take longer for it than SQLite.
    known = driver.table_names(connection)
    if not known:
        return None
    if VERSIONS not in known:
        if set(known) >= OWN:
            raise _damaged(path, f"it has no table {VERSIONS}")
        raise problem.invalid(
            f"cannot open the database {path}: it belongs to another program", "give another path with --db"
        )
    try:
        rows = driver.execute(connection, f"SELECT version_num FROM {VERSIONS}").fetchall()
    except driver.error as error:
        # A locked or unreadable database has its own sentence.
        if driver.explain(error, path, "open") is not None:
            raise
        raise _damaged(path, f"its table {VERSIONS} has another form") from error
    values = [value for (value,) in rows]
    for value in values:
        if not isinstance(value, str):
            raise _damaged(path, f"in its table {VERSIONS}, {value!r} is not a revision")
    found: frozenset[str] = frozenset(values)
    if (why := why_inconsistent(found)) is not None:
        raise _damaged(path, f"in its table {VERSIONS}, {why}")
    return found


def judge(found: AbstractSet[str] | None, branches: Branches, path: Path) -> Schema:
    """The schema of a database, by what `applied` has found in it.

    It is older when any branch is: a capability that was added since has no revision there. Raises Problem(invalid)
    when it has a revision that this program does not: a newer program, or another capability, has applied it. Its
    tables cannot be ignored, because they refer to rows of shared tables.
    """
    if found is None:
        return Schema.EMPTY
    unknown = found - branches.known
    foreign = sorted({str(branch_of(revision)) for revision in unknown} - branches.names)
    if foreign and not any(branch_of(revision) in branches.names for revision in unknown):
        tables = ", ".join(foreign)
        raise problem.invalid(
            f"cannot open the database {path}: it has tables of the capability {tables} ({name_of(unknown)}), which "
            "this program does not have",
            "install a version that has them; the upgrade guide explains how a capability is retired",
        )
    if unknown:
        raise problem.invalid(
            f"cannot open the database {path}: its schema {name_of(unknown)} is newer than this program",
            "upgrade ftl2-enterprise, or give another path with --db",
        )
    return Schema.CURRENT if found == branches.heads else Schema.OLDER


def _damaged(path: Path, why: str) -> Problem:
    return problem.invalid(
        f"cannot open the database {path}: it is damaged: {why}", "restore it from a backup; nothing was changed"
    )


def create(connection: Connection, tables: MetaData, branches: Branches) -> None:
    """Create the tables as they are declared, inside the transaction that the connection is in.

    The result is that of the migrations, which a test proves, in a fraction of the time: for a temporary database.
    """
    tables.create_all(connection)
    connection.exec_driver_sql(f"CREATE TABLE {VERSIONS} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    for head in sorted(branches.heads):
        connection.exec_driver_sql(f"INSERT INTO {VERSIONS} VALUES ('{head}')")


def migrate(connection: Connection, branches: Branches) -> None:
    """Bring every branch up to date inside the transaction that the connection is in."""
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415

    if not connection.in_transaction():
        # So that Alembic leaves it to the caller to commit.
        connection.begin()
    config = Config()
    config.set_main_option("script_location", "ftl2_enterprise.store:migrations")
    # A folder is named in its package, so that no character of its path can be taken for the separator.
    config.set_main_option("path_separator", "space")
    config.set_main_option("version_locations", " ".join(versions_of(branch) for branch in branches.every))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
