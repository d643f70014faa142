"""Statements that a process repeats: compiled once, then executed by the driver directly.

Building a statement, finding its compiled form and wrapping its result costs SQLAlchemy many times what SQLite needs
to execute it. Values are converted by the same column types, and errors are the same.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import SelectBase, UpdateBase

from ftl2_enterprise.store.session import insert, reraise, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

    from ftl2_enterprise.store.driver import Driver
    from ftl2_enterprise.store.session import Session

type Processor = Callable[[Any], Any]
type Values = tuple[Any, ...]
type Statement = SelectBase | UpdateBase


class _Form(NamedTuple):
    """The statement, compiled by a driver for values of certain names."""

    sql: str
    constants: dict[str, Any]
    """Converted values that the caller does not pass."""
    pick: Callable[[Mapping[str, Any]], Iterable[Any]]
    """The values for the places in the SQL, in their order."""
    processes: list[tuple[int, Processor]]
    """The places whose values are converted, of those that the caller passes."""
    results: list[tuple[int, Processor]]
    """The columns of the result that are converted, by their place."""


class Prepared:
    """A statement with values by name: its bindparams, and the columns that are written.

    A statement that each driver writes differently is a function that is called with the driver.
    """

    def __init__(self, statement: Statement | Callable[[Driver], Statement]) -> None:
        self._statement: Statement | Callable[[Driver], Statement] = statement
        self._forms: dict[tuple[Driver, Values], _Form] = {}

    def rows(self, tx: Session, values: Mapping[str, Any]) -> list[Values]:
        """The rows that a SELECT finds."""
        form, arguments = self._bound(tx.driver, values)
        try:
            found: list[Values] = tx.driver.execute(tx.raw, form.sql, arguments).fetchall()
        except tx.driver.error as error:
            reraise(tx.driver, error, form.sql, arguments)
        if not form.results:
            return found
        return [_converted(row, form.results) for row in found]

    def first(self, tx: Session, values: Mapping[str, Any]) -> Values | None:
        """The first row that a SELECT finds."""
        found = self.rows(tx, values)
        return found[0] if found else None

    def scalar(self, tx: Session, values: Mapping[str, Any]) -> Any:
        """The first column of the first row; None when there is no row."""
        found = self.rows(tx, values)
        return found[0][0] if found else None

    def change(self, tx: Session, values: Mapping[str, Any]) -> int:
        """The number of rows that an UPDATE, a DELETE or an INSERT has changed."""
        form, arguments = self._bound(tx.driver, values)
        return run(tx, form.sql, arguments).rowcount

    def insert(self, tx: Session, values: Mapping[str, Any]) -> int:
        """The id of the row that an INSERT has created."""
        form, arguments = self._bound(tx.driver, values)
        return insert(tx, form.sql, arguments)

    def sql(self, driver: Driver, names: Values = ()) -> str:
        """The SQL for values of these names, in the order in which the statement has them."""
        return (self._forms.get((driver, names)) or self._form(driver, names)).sql

    def statement(self, driver: Driver) -> Statement:
        """The statement as that driver executes it."""
        statement = self._statement
        return statement if isinstance(statement, SelectBase | UpdateBase) else statement(driver)

    def _bound(self, driver: Driver, values: Mapping[str, Any]) -> tuple[_Form, list[Any]]:
        names = tuple(values)
        form = self._forms.get((driver, names)) or self._form(driver, names)
        arguments = list(form.pick({**values, **form.constants} if form.constants else values))
        for place, process in form.processes:
            arguments[place] = process(arguments[place])
        return form, arguments

    def _form(self, driver: Driver, names: Values) -> _Form:
        statement = self.statement(driver)
        dialect = driver.dialect
        is_select = isinstance(statement, SelectBase)
        compiled = statement.compile(dialect=dialect, column_keys=None if is_select else list(names))
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError(f"cannot prepare a statement with a list or a default in it: {compiled}")
        unknown = set(names) - set(compiled.binds)
        if unknown:
            raise TypeError(f"cannot prepare a statement: it has no place for {', '.join(sorted(unknown))}")
        places = list(compiled.positiontup or ())
        form = _Form(
            sql=str(compiled),
            constants={name: _constant(compiled, dialect, name) for name in places if name not in names},
            pick=_picker(places),
            processes=_processes(_processor(compiled, dialect, name) if name in names else None for name in places),
            results=_results(statement, dialect) if is_select else [],
        )
        self._forms[driver, names] = form
        return form


def _converted(row: Values, results: Sequence[tuple[int, Processor]]) -> Values:
    converted = list(row)
    for index, process in results:
        converted[index] = process(converted[index])
    return tuple(converted)


def _processor(compiled: SQLCompiler, dialect: Dialect, name: str) -> Processor | None:
    return compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)


def _constant(compiled: SQLCompiler, dialect: Dialect, name: str) -> Any:
    bind = compiled.binds[name]
    if bind.required:
        raise TypeError(f"cannot prepare a statement: it needs a value for {name}")
    process = _processor(compiled, dialect, name)
    return bind.effective_value if process is None else process(bind.effective_value)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    # With one name, `itemgetter` would return the value alone.
    return itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]


def _processes(found: Iterable[Processor | None]) -> list[tuple[int, Processor]]:
    return [(place, process) for place, process in enumerate(found) if process is not None]


def _results(statement: SelectBase, dialect: Dialect) -> list[tuple[int, Processor]]:
    return _processes(_result(column.type, dialect) for column in statement.selected_columns)


def _result(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
