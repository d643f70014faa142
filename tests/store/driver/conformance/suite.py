"""What the checks of the conformance suite share: a small schema, and tools that use only the driver."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.store.dialects import append_only, ids_never_reused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver

type Check = Callable[[Driver, Path], None]

CHECKS: list[Check] = []
PATIENCE = 0.3
LONG = 20.0

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("size", Integer),
    Column("body", LargeBinary),
    **ids_never_reused(),
)
parts = Table(
    "parts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("thing_id", Integer, ForeignKey("things.id"), nullable=False),
)
journal = Table("journal", metadata, Column("id", Integer, primary_key=True), Column("entry", Text))
append_only(journal)

INSERT = "INSERT INTO things (name, size) VALUES (?, ?)"


def check(function: Check) -> Check:
    """Add the function to the suite."""
    CHECKS.append(function)
    return function


def made(driver: Driver, directory: Path) -> Path:
    """A database with the tables of this file."""
    path = directory / "some.db"
    driver.ensure_exists(path, create=True)
    engine = driver.engine(lambda: driver.connect(path, LONG))
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        driver.prepare(raw, path, LONG)
        with driver.change_schema(raw):
            metadata.create_all(connection)
    engine.dispose()
    return path


@contextmanager
def connected(driver: Driver, path: Path, patience: float = PATIENCE) -> Generator[Any]:
    with closing(driver.connect(path, patience)) as connection:
        yield connection


@contextmanager
def database(driver: Driver, directory: Path) -> Generator[tuple[Path, Any]]:
    """A path and a connection."""
    path = made(driver, directory)
    with connected(driver, path) as connection:
        yield path, connection


def write(driver: Driver, connection: Any, *names: str) -> None:
    driver.begin(connection, writes=True)
    for name in names:
        driver.execute(connection, INSERT, (name, 1))
    driver.commit(connection)


def names(driver: Driver, connection: Any) -> list[str]:
    return [row[0] for row in driver.execute(connection, "SELECT name FROM things ORDER BY id").fetchall()]


def compiled(driver: Driver, statement: Any, *columns: str) -> str:
    return str(statement.compile(dialect=driver.dialect, column_keys=list(columns)))


class Caught:
    """The error of the driver that a block has raised."""

    value: Exception


@contextmanager
def fails(driver: Driver) -> Generator[Caught]:
    """Like pytest.raises, for the errors of the driver."""
    caught = Caught()
    try:
        yield caught
    except driver.error as error:
        caught.value = error
    else:
        raise AssertionError("nothing was raised")


def explained(driver: Driver, caught: Caught, path: Path, doing: str) -> Problem:
    problem = driver.explain(caught.value, path, doing)
    assert problem is not None, f"{caught.value!r} was not explained"
    return problem


def problem_of(function: Callable[[], object]) -> Problem:
    try:
        function()
    except Problem as problem:
        return problem
    raise AssertionError("no problem was raised")
