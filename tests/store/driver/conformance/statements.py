"""Checks of a driver: statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.store.driver.conformance.suite import INSERT, check, compiled, database, fails, names, things

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


@check
def a_statement_returns_rows_and_counts(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.execute_many(connection, INSERT, [("one", 1), ("two", None), ("é ü", 2**63 - 1)])
        rows = driver.execute(connection, "SELECT name, size FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in rows] == [("one", 1), ("two", None), ("é ü", 2**63 - 1)]
        assert driver.execute(connection, "UPDATE things SET size = ? WHERE id > ?", (5, 1)).rowcount == 2
        assert driver.execute(connection, "DELETE FROM things WHERE id = ?", (9,)).rowcount == 0
        cursor = driver.execute(connection, "SELECT name FROM things WHERE id = ?", (1,))
        assert cursor.fetchone()[0] == "one"
        assert cursor.fetchone() is None


@check
def bytes_are_kept(driver: Driver, directory: Path) -> None:
    body = bytes(range(256)) * 3
    with database(driver, directory) as (_, connection):
        driver.insert(connection, compiled(driver, things.insert(), "name", "body"), ("one", body))
        assert bytes(driver.execute(connection, "SELECT body FROM things").fetchone()[0]) == body


@check
def an_upsert_updates_the_named_columns_of_an_existing_row(driver: Driver, directory: Path) -> None:
    statement = driver.upsert(things, key=["name"], update=["size"])
    sql = compiled(driver, statement, "name", "size", "body")
    with database(driver, directory) as (_, connection):
        driver.execute(connection, sql, ("one", 1, b"first"))
        driver.execute(connection, sql, ("two", 1, b"first"))
        driver.execute(connection, sql, ("one", 2, b"second"))
        rows = driver.execute(connection, "SELECT id, name, size, body FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in rows] == [(1, "one", 2, b"first"), (2, "two", 1, b"first")]


@check
def insert_or_ignore_keeps_the_existing_row(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, driver.insert_or_ignore(things), "name", "size")
    with database(driver, directory) as (_, connection):
        assert driver.execute(connection, sql, ("one", 1)).rowcount == 1
        assert driver.execute(connection, sql, ("one", 2)).rowcount == 0
        assert driver.execute(connection, "SELECT name, size FROM things").fetchall()[0][1] == 1


@check
def a_savepoint_undoes_a_part(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        driver.execute(connection, "SAVEPOINT work")
        driver.execute(connection, INSERT, ("two", 1))
        with fails(driver):
            driver.execute(connection, INSERT, ("one", 1))
        assert driver.in_transaction(connection)
        driver.execute(connection, "ROLLBACK TO work")
        driver.execute(connection, "RELEASE work")
        driver.commit(connection)
        assert names(driver, connection) == ["one"]
