"""Checks of a driver: the files of an open database, and those of one that is missing, are recognized."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code
from tests.store.driver.conformance.suite import INSERT, check, connected, database, names, problem_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver


def move(path: Path, target: Path) -> None:
    subprocess.run(["mv", path, target], check=True)


@check
def a_commit_is_expected_to_last_while_the_files_are_the_same(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        files = driver.files(path)
        files.recognize("open")
        for n in range(3):
            driver.begin(connection, writes=True)
            files.begun(connection)
            driver.execute(connection, INSERT, (f"thing-{n}", 1))
            files.check(connection, "write")
            driver.commit(connection)
            files.committed(connection)
            files.check(connection, "write")
        with connected(driver, path) as other:
            write(driver, other, "another")
        files.check(connection, "write")
        files.check(None, "write")


@check
def a_moved_database_is_recognized_when_it_is_put_back(driver: Driver, directory: Path) -> None:
    with database(driver, directory) as (path, connection):
        files = driver.files(path)
        write(driver, connection, "one")
        files.begun(connection)
        files.check(connection, "write")
        move(path, directory / "away.db")
        for _ in range(2):
            problem = problem_of(lambda: files.check(connection, "write"))
            assert problem.code is Code.UNAVAILABLE
            assert problem.message.startswith(f"cannot write the database {path}: ")
            assert problem.hint
            assert problem_of(lambda: files.recognize("read")).message.startswith(
                f"cannot read the database {path}: "
            )
        move(directory / "away.db", path)
        files.recognize("read")
        files.check(connection, "write")
        assert names(driver, connection) == ["one"]


@check
def another_database_under_the_same_path_is_refused(driver: Driver, directory: Path) -> None:
    (directory / "other").mkdir()
    with database(driver, directory / "other") as (other, _):
        pass
    with database(driver, directory) as (path, connection):
        files = driver.files(path)
        files.begun(connection)
        files.check(connection, "write")
        move(other, path)
        assert problem_of(lambda: files.check(connection, "write")).code is Code.UNAVAILABLE
        assert problem_of(lambda: files.recognize("open")).code is Code.UNAVAILABLE
        driver.files(path).recognize("open")


@check
def the_files_of_a_missing_database_are_its_orphans(driver: Driver, directory: Path) -> None:
    assert list(driver.orphans(directory / "some.db")) == []
    with database(driver, directory) as (path, connection):
        write(driver, connection, "one")
        assert list(driver.orphans(path)) == []
        others = sorted(one for one in directory.iterdir() if one != path)
        path.unlink()
        assert sorted(driver.orphans(path)) == others
