"""Checks of a driver: errors, and the store with the driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import exc, text

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.store.database import Store, open_store
from ftl2_enterprise.wiring.migrations import branches
from tests.store.driver.conformance.suite import (
    LONG,
    check,
    connected,
    database,
    explained,
    fails,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


@check
def a_defect_of_the_program_is_not_explained(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        for sql in ("SELEKT 1", "SELECT * FROM nowhere", "INSERT INTO things (name) VALUES ('one')"):
            with fails(driver) as caught:
                driver.execute(connection, sql)
            assert driver.explain(caught.value, path, "write") is None
            assert not driver.spoils_connection(caught.value)
        assert driver.explain(ZeroDivisionError(), path, "write") is None
        assert not driver.spoils_connection(ZeroDivisionError())


@check
def a_file_of_another_kind_is_invalid(driver: Driver, directory: Path) -> None:
    path = directory / "notes.txt"
    path.write_text("dear diary, " * 500)
    assert driver.stored_revisions(path) is None
    with fails(driver) as caught, connected(driver, path) as connection:
        driver.table_names(connection)
    problem = explained(driver, caught, path, "open")
    assert (problem.code, problem.message) == (
        Code.INVALID,
        f"cannot open the database {path}: it is not a database",
    )
    assert path.read_text() == "dear diary, " * 500


@check
def errors_of_the_file_system_are_explained(driver: Driver, directory: Path) -> None:
    for number, code, words in (
        (28, Code.UNAVAILABLE, "the disk is full"),
        (13, Code.UNAVAILABLE, "may not write there"),
        (40, Code.INVALID, "too many levels"),
    ):
        problem = driver.explain(OSError(number, os.strerror(number)), directory / "some.db", "copy")
        assert problem is not None
        assert problem.code is code
        assert problem.message.startswith(f"cannot copy the database {directory / 'some.db'}: ")
        assert words in problem.message


@check
def an_error_of_the_system_spoils_the_connection(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        driver.begin(connection, writes=True)
        with fails(driver) as caught:
            driver.begin(other, writes=True)
        assert driver.spoils_connection(caught.value)


@check
def the_store_works_with_the_driver(driver: Driver, directory: Path) -> None:
    path = directory / "loops.db"
    store = open_store(path, branches=branches(), create=True, busy_timeout=LONG, driver=driver)
    try:
        _use(store)
    finally:
        store.close()
    again = open_store(path, branches=branches(), create=False, driver=driver)
    with again.read() as tx:
        assert tx.connection.execute(text("SELECT digest, size FROM texts")).all() == [("a", 1)]
    again.close()


def _use(store: Store) -> None:
    assert isinstance(store.clock, SystemClock)
    with store.write() as tx:
        tx.connection.execute(text("INSERT INTO texts VALUES ('a', 1, '')"))
        assert tx.is_open
    try:
        with store.write() as tx:
            tx.run("INSERT INTO texts VALUES ('b', 1, '')")
            tx.run("INSERT INTO texts VALUES ('a', 1, '')")
    except exc.IntegrityError:
        pass
    else:
        raise AssertionError("a duplicate key was accepted")
    with store.read() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 1
