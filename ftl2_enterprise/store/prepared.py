"""Statements that a process repeats: compiled once, then handed to the driver as they are.

Putting a statement together, finding its compiled form and wrapping its result costs SQLAlchemy many times what
SQLite needs to run it. Values are converted by the same column types, and errors are the same, so that nobody has to
know which way a statement went.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from sqlalchemy import SelectBase, UpdateBase, exc
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

    from ftl2_enterprise.store.tx import Tx

type Processor = Callable[[Any], Any]
type Values = tuple[Any, ...]

DIALECT: Dialect = sqlite.dialect(dbapi=sqlite3, paramstyle="qmark")
"""What statements are compiled for. With another one, `_raise`, `insert` and `run` are what has to be looked at."""


class _Slot(NamedTuple):
    """One place for a value in the SQL: the name of what is given for it, or else what is always there."""

    name: str | None
    process: Processor | None
    always: Any


class _Form(NamedTuple):
    """The statement, compiled for values of certain names."""

    sql: str
    slots: list[_Slot]


class Prepared:
    """A statement whose values are given by name: its bindparams, and the columns that are written."""

    def __init__(self, statement: SelectBase | UpdateBase) -> None:
        self._statement: SelectBase | UpdateBase = statement
        self._forms: dict[Values, _Form] = {}
        self._results: list[tuple[int, Processor]] = []
        if isinstance(statement, SelectBase):
            found = (_reading(column.type) for column in statement.selected_columns)
            self._results = [(index, process) for index, process in enumerate(found) if process is not None]

    def rows(self, tx: Tx, values: Mapping[str, Any]) -> list[Values]:
        """What a SELECT finds."""
        sql, arguments = self._bound(values)
        try:
            found: list[Values] = tx.driver.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            _raise(error, sql, arguments)
        if not self._results:
            return found
        return [self._converted(row) for row in found]

    def first(self, tx: Tx, values: Mapping[str, Any]) -> Values | None:
        """The first row that a SELECT finds."""
        found = self.rows(tx, values)
        return found[0] if found else None

    def scalar(self, tx: Tx, values: Mapping[str, Any]) -> Any:
        """The first column of the first row; None when there is no row."""
        found = self.rows(tx, values)
        return found[0][0] if found else None

    def change(self, tx: Tx, values: Mapping[str, Any]) -> int:
        """How many rows an UPDATE, a DELETE or an INSERT has changed."""
        sql, arguments = self._bound(values)
        return run(tx.driver, sql, arguments).rowcount

    def insert(self, tx: Tx, values: Mapping[str, Any]) -> int:
        """The id of the row that an INSERT has made."""
        sql, arguments = self._bound(values)
        return int(run(tx.driver, sql, arguments).lastrowid or 0)

    def sql(self, names: Sequence[str] = ()) -> str:
        """The statement as the driver gets it with values of these names."""
        return self._form(tuple(names)).sql

    def _bound(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        sql, slots = self._forms.get(tuple(values)) or self._form(tuple(values))
        return sql, [
            always if name is None else values[name] if process is None else process(values[name])
            for name, process, always in slots
        ]

    def _converted(self, row: Values) -> Values:
        converted = list(row)
        for index, process in self._results:
            converted[index] = process(converted[index])
        return tuple(converted)

    def _form(self, names: tuple[str, ...]) -> _Form:
        columns = None if isinstance(self._statement, SelectBase) else list(names)
        compiled = self._statement.compile(dialect=DIALECT, column_keys=columns)
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError(f"cannot prepare a statement with a list or a default in it: {compiled}")
        unknown = set(names) - set(compiled.binds)
        if unknown:
            raise TypeError(f"cannot prepare a statement: it has no place for {', '.join(sorted(unknown))}")
        form = _Form(str(compiled), [_slot(compiled, name, names) for name in compiled.positiontup or ()])
        self._forms[names] = form
        return form


def run(driver: Any, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
    """Hand SQL to the driver. Raises what SQLAlchemy raises."""
    try:
        return driver.execute(sql, arguments)
    except sqlite3.Error as error:
        _raise(error, sql, arguments)


def run_many(driver: Any, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Hand the same SQL to the driver with the values of each row. Raises what SQLAlchemy raises."""
    try:
        driver.executemany(sql, rows)
    except sqlite3.Error as error:
        _raise(error, sql, rows)


def _raise(error: sqlite3.Error, sql: str, arguments: Sequence[Any]) -> NoReturn:
    raise exc.DBAPIError.instance(
        sql, cast("Any", tuple(arguments)), error, cast("Any", sqlite3.Error), dialect=DIALECT
    ) from error


def _slot(compiled: SQLCompiler, name: str, given: tuple[str, ...]) -> _Slot:
    bind = compiled.binds[name]
    process = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
    if name in given:
        return _Slot(name, process, None)
    if bind.required:
        raise TypeError(f"cannot prepare a statement: it needs a value for {name}")
    value = bind.effective_value
    return _Slot(None, None, value if process is None else process(value))


def _reading(kind: TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(DIALECT).result_processor(DIALECT, None)
