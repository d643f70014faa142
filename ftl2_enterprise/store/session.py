"""What a statement needs of the transaction in which it is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from sqlalchemy import exc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.driver import Cursor, Driver, RawConnection


class Session(Protocol):
    """A transaction, of which `Tx` is the implementation."""

    connection: Connection
    """For statements that SQLAlchemy executes."""
    driver: Driver
    raw: RawConnection
    """The same connection, for statements that the driver executes."""
    now: Instant


def run(session: Session, sql: str, values: Sequence[Any] = ()) -> Cursor:
    """Let the driver execute SQL. Raises what SQLAlchemy raises."""
    try:
        return session.driver.execute(session.raw, sql, values)
    except session.driver.error as error:
        reraise(session.driver, error, sql, values)


def run_many(session: Session, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Let the driver execute the same SQL with the values of each row. Raises what SQLAlchemy raises."""
    try:
        session.driver.execute_many(session.raw, sql, rows)
    except session.driver.error as error:
        reraise(session.driver, error, sql, rows)


def insert(session: Session, sql: str, values: Sequence[Any]) -> int:
    """Let the driver execute an INSERT of one row; returns its primary key. Raises what SQLAlchemy raises."""
    try:
        return session.driver.insert(session.raw, sql, values)
    except session.driver.error as error:
        reraise(session.driver, error, sql, values)


def reraise(driver: Driver, error: Exception, sql: str, values: Sequence[Any]) -> NoReturn:
    """Raise the error of the driver as SQLAlchemy does, so that callers need not know who executed the SQL."""
    raise exc.DBAPIError.instance(
        sql, cast("Any", tuple(values)), error, cast("Any", driver.error), dialect=driver.dialect
    ) from error
