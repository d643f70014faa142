"""Checks of a driver: connections and transactions."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.store.schema_version import VERSIONS
from tests.store.driver.conformance.suite import (
    INSERT,
    LONG,
    PATIENCE,
    check,
    connected,
    database,
    explained,
    fails,
    names,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


@check
def a_connection_begins_no_transaction_itself(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        assert not driver.in_transaction(connection)
        driver.execute(connection, INSERT, ("one", 1))
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]


@check
def any_thread_may_use_a_connection(driver: Driver, directory: Path) -> None:
    found: list[object] = []

    def use(connection: Any) -> None:
        try:
            found.append(names(driver, connection))
        except Exception as error:
            found.append(error)

    with database(driver, directory) as (_, connection):
        thread = threading.Thread(target=use, args=(connection,))
        thread.start()
        thread.join()
    assert found == [[]]


@check
def references_are_enforced(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (_, connection):
        with fails(driver):
            driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (?)", (7,))
        write(driver, connection, "one")
        driver.execute(connection, "INSERT INTO parts (thing_id) VALUES (?)", (1,))
        with fails(driver):
            driver.execute(connection, "DELETE FROM things")


@check
def a_commit_is_seen_and_survives_the_connection(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        driver.begin(connection, writes=True)
        assert driver.in_transaction(connection)
        driver.execute(connection, INSERT, ("one", 1))
        with connected(driver, path) as other:
            assert names(driver, other) == []
            driver.commit(connection)
            assert not driver.in_transaction(connection)
            assert names(driver, other) == ["one"]
    with connected(driver, path) as later:
        assert names(driver, later) == ["one"]


@check
def a_rollback_undoes_everything(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        driver.roll_back(connection)
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        driver.roll_back(connection)
        assert not driver.in_transaction(connection)
        with connected(driver, path) as other:
            assert names(driver, other) == names(driver, connection) == []
            write(driver, other, "two")


@check
def a_reader_keeps_its_view_and_blocks_no_writer(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        write(driver, connection, "one")
        driver.begin(other, writes=False)
        assert names(driver, other) == ["one"]
        write(driver, connection, "two")
        assert names(driver, other) == ["one"]
        driver.commit(other)
        assert names(driver, other) == ["one", "two"]


@check
def a_writer_has_the_lock_from_the_start(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path) as other:
        driver.begin(connection, writes=True)
        before = time.monotonic()
        with fails(driver) as caught:
            driver.begin(other, writes=True)
        assert time.monotonic() - before >= PATIENCE * 0.9, "it did not wait"
        assert explained(driver, caught, path, "write").code is Code.UNAVAILABLE
        # Readers do not wait for the writer.
        assert names(driver, other) == []
        driver.commit(connection)
        write(driver, other, "one")


@check
def a_writer_waits_for_the_lock(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), connected(driver, path, LONG) as other:
        driver.begin(connection, writes=True)
        begun = threading.Event()

        def release() -> None:
            begun.wait(LONG)
            driver.commit(connection)

        thread = threading.Thread(target=release)
        thread.start()
        threading.Timer(0.05, begun.set).start()
        try:
            write(driver, other, "one")
        finally:
            begun.set()
            thread.join()
        assert names(driver, other) == ["one"]


@check
def preparing_is_repeatable_and_lasts(driver: Driver, directory: Path) -> None:
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    failed: list[BaseException] = []

    def prepare() -> None:
        try:
            with connected(driver, path, LONG) as connection:
                driver.prepare(connection, path, LONG)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with connected(driver, path) as connection:
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
    assert driver.stored_revisions(path) == frozenset()


@check
def the_tables_are_known_by_name(driver: Driver, directory: Path) -> None:
    path = directory / "empty.db"
    driver.ensure_exists(path, create=True)
    with connected(driver, path) as connection:
        assert len(driver.table_names(connection)) == 0
    with database(driver, directory) as (_, connection):
        assert {"things", "parts", "journal"} <= set(driver.table_names(connection))
        driver.execute(connection, "CREATE VIEW sizes AS SELECT size FROM things")
        assert "sizes" not in driver.table_names(connection)
