"""Checks of a driver: ids, and changes of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.store.driver.conformance.suite import (
    check,
    compiled,
    connected,
    database,
    fails,
    journal,
    names,
    things,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


@check
def an_id_is_given_once(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, things.insert(), "name")
    with database(driver, directory) as (_, connection):
        assert driver.last_id(connection, "things") == 0
        first = driver.insert(connection, sql, ("one",))
        second = driver.insert(connection, sql, ("two",))
        assert 0 < first < second == driver.last_id(connection, "things")
        found = driver.execute(connection, "SELECT id, name FROM things ORDER BY id").fetchall()
        assert [tuple(row) for row in found] == [(first, "one"), (second, "two")]
        driver.execute(connection, "DELETE FROM things")
        assert driver.last_id(connection, "things") == second
        assert driver.insert(connection, sql, ("three",)) == second + 1


@check
def an_id_that_was_rolled_back_was_not_given_to_a_row(driver: Driver, directory: Path) -> None:
    sql = compiled(driver, things.insert(), "name")
    with database(driver, directory) as (_, connection):
        driver.begin(connection, writes=True)
        given = driver.insert(connection, sql, ("one",))
        driver.roll_back(connection)
        assert driver.insert(connection, sql, ("two",)) >= given
        assert names(driver, connection) == ["two"]


@check
def rows_of_an_append_only_table_stay(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        driver.insert(connection, compiled(driver, journal.insert(), "entry"), ("first",))
        for sql in ("UPDATE journal SET entry = 'other'", "DELETE FROM journal"):
            with fails(driver):
                driver.execute(connection, sql)
        assert driver.execute(connection, "SELECT entry FROM journal").fetchone()[0] == "first"


@check
def a_table_is_rebuilt_although_others_refer_to_it(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (1)")
        with driver.change_schema(connection):
            assert driver.in_transaction(connection)
            driver.execute(connection, "CREATE TABLE renewed (id INTEGER PRIMARY KEY, name TEXT)")
            driver.execute(connection, "INSERT INTO renewed SELECT id, name FROM things")
            driver.execute(connection, "DROP TABLE things")
            driver.execute(connection, "ALTER TABLE renewed RENAME TO things")
        assert not driver.in_transaction(connection)
        assert names(driver, connection) == ["one"]
        with fails(driver):
            driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (7)")


@check
def a_schema_change_that_loses_a_row_is_undone(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (1)")
        try:
            with driver.change_schema(connection):
                driver.execute(connection, "CREATE TABLE other (id INTEGER)")
                driver.execute(connection, "DELETE FROM things")
        except RuntimeError as error:
            lost = str(error)
        else:
            lost = ""
        assert "refer to rows that do not exist" in lost
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]
            assert "other" not in driver.table_names(other)
        with fails(driver):
            driver.execute(connection, "DELETE FROM things")


@check
def a_schema_change_that_fails_is_undone(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        try:
            with driver.change_schema(connection):
                driver.execute(connection, "CREATE TABLE other (id INTEGER)")
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert "other" not in driver.table_names(other)
            write(driver, other, "one")


@check
def a_schema_change_excludes_other_writers(driver: Driver, directory: Path) -> None:
    with (
        database(driver, directory) as (path, connection),
        connected(driver, path) as other,
        driver.change_schema(connection),
        fails(driver),
    ):
        driver.begin(other, writes=True)


@check
def a_schema_change_reports_progress_while_it_works(driver: Driver, directory: Path) -> None:
    calls: list[int] = []
    many = (
        "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 400000) "
        "SELECT max(n) FROM counted"
    )
    with database(driver, directory) as (_, connection):
        with driver.change_schema(connection, lambda: calls.append(1)):
            driver.execute(connection, many).fetchall()
            assert calls
        calls.clear()
        driver.execute(connection, many).fetchall()
    assert calls == []
