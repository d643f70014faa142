"""Checks of a driver: creating, recognizing, copying and discarding databases."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.store.schema_version import VERSIONS
from tests.store.driver.conformance.suite import (
    INSERT,
    PATIENCE,
    check,
    connected,
    database,
    made,
    names,
    problem_of,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


@check
def a_missing_database_is_not_created_without_a_request(driver: Driver, directory: Path) -> None:
    path = directory / "deep" / "some.db"
    problem = problem_of(lambda: driver.ensure_exists(path, create=False))
    assert problem.code is Code.NOT_FOUND
    assert problem.message == f"cannot open the database {path}: it does not exist"
    assert list(directory.iterdir()) == []


@check
def a_new_database_belongs_to_its_user_alone(driver: Driver, directory: Path) -> None:
    path = directory / "deep" / "some.db"
    before = os.umask(0)
    try:
        driver.ensure_exists(path, create=True)
        with connected(driver, path) as connection:
            driver.prepare(connection, path, PATIENCE)
            driver.execute(connection, "CREATE TABLE things (id INTEGER)")
            files = [each for each in path.parent.iterdir() if each.is_file()]
            assert path in files
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@check
def an_existing_database_is_left_as_it_is(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.ensure_exists(path, create=True)
        driver.ensure_exists(path, create=False)
        with connected(driver, path) as other:
            assert names(driver, other) == ["one"]


@check
def a_path_that_cannot_be_a_database_is_invalid(driver: Driver, directory: Path) -> None:
    (directory / "file").touch()
    for path in (directory, directory / "file" / "some.db"):
        for create in (False, True):
            assert problem_of(lambda p=path, c=create: driver.ensure_exists(p, create=c)).code in (
                Code.INVALID,
                Code.NOT_FOUND,
            )


@check
def the_stored_revisions_are_those_in_the_table(driver: Driver, directory: Path) -> None:
    assert driver.stored_revisions(directory / "missing.db") is None
    assert list(directory.iterdir()) == []
    with database(driver, directory) as (path, connection):
        assert driver.stored_revisions(path) is None
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
        assert driver.stored_revisions(path) == frozenset()
        for revision in ("a_0001", "b_0002"):
            driver.execute(connection, f"INSERT INTO {VERSIONS} VALUES (?)", (revision,))
        assert driver.stored_revisions(path) == {"a_0001", "b_0002"}
        assert driver.stored_revisions(path) == {"a_0001", "b_0002"}


@check
def an_unprepared_database_has_no_stored_revisions(driver: Driver, directory: Path) -> None:
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    with connected(driver, path) as connection:
        driver.execute(connection, f"CREATE TABLE {VERSIONS} (version_num TEXT)")
        assert driver.stored_revisions(path) is None
        driver.prepare(connection, path, PATIENCE)
        assert driver.stored_revisions(path) == frozenset()


@check
def recognizing_a_database_loads_no_sqlalchemy(driver: Driver, directory: Path) -> None:
    kind = type(driver).__mro__[-2]
    code = (
        f"import sys, pathlib; from {kind.__module__} import {kind.__name__};"
        f"{kind.__name__}().stored_revisions(pathlib.Path(sys.argv[1])); print('sqlalchemy' in sys.modules)"
    )
    path = made(driver, directory)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@check
def a_copy_has_what_is_committed_and_nothing_else(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        with connected(driver, path) as other:
            driver.begin(other, writes=True)
            driver.execute(other, INSERT, ("uncommitted", 1))
            copy = directory / "copy.db"
            driver.copy(path, copy)
            driver.roll_back(other)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with connected(driver, copy) as copied:
            assert names(driver, copied) == ["one"]
            write(driver, copied, "two")
        assert names(driver, connection) == ["one"]


@check
def a_copy_reports_progress(driver: Driver, directory: Path) -> None:
    calls: list[int] = []
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.copy(path, directory / "copy.db", lambda: calls.append(1))
        with connected(driver, directory / "copy.db") as copied:
            assert names(driver, copied) == ["one"]
    assert calls


@check
def nothing_is_left_of_a_discarded_database(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        driver.discard(path)
        assert list(directory.iterdir()) == []
    driver.discard(path)


@check
def the_commit_counter_changes_with_the_commits_of_others(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection), closing(driver.commit_counter(path)) as counter:
        first = counter.read()
        assert first is not None
        assert counter.read() == first
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("one", 1))
        assert counter.read() == first, "nothing was committed yet"
        driver.commit(connection)
        second = counter.read()
        assert second not in (None, first)
        assert counter.read() == second
        driver.begin(connection, writes=True)
        driver.execute(connection, INSERT, ("two", 1))
        driver.roll_back(connection)
        assert counter.read() == second
        write(driver, connection, "three")
        assert counter.read() not in (None, first, second)
