"""Rows of tables as structs of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, select

from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Row, Select, Table

    from ftl2_enterprise.store.tx import Tx


class Reader[T: msgspec.Struct]:
    """Selects the columns named as the fields of a struct, and builds structs from the rows.

    `computed` are fields that follow from others, and have no column.
    """

    def __init__(self, table: Table, struct: type[T], *, computed: frozenset[str] = frozenset()) -> None:
        self.table: Table = table
        self.struct: type[T] = struct
        self.columns: list[ColumnElement[Any]] = []
        names: list[str] = []
        texts: list[int] = []
        for field in msgspec.structs.fields(struct):
            if field.name in computed:
                continue
            if field.type is StoredText:
                texts.append(len(names))
                self.columns += [table.c[field.name], table.c[f"{field.name}_digest"], table.c[f"{field.name}_size"]]
            else:
                self.columns.append(table.c[field.name])
            names.append(field.name)
        self._names: tuple[str, ...] = tuple(names)
        self._texts: tuple[int, ...] = tuple(texts)
        # Built once: building a statement costs more than the database needs to execute it.
        self._select: Select[Any] = select(*self.columns)
        self._by_id: Prepared = Prepared(self._select.where(table.c.id == bindparam("row_id")))

    def select(self) -> Select[Any]:
        """Every column of the struct."""
        return self._select

    def get(self, tx: Tx, row_id: int) -> T | None:
        """The struct of the row with that id."""
        row = self._by_id.first(tx, {"row_id": row_id})
        return None if row is None else self.one(row)

    def one(self, row: Row[Any] | Sequence[Any]) -> T:
        """The struct of one row."""
        values = list(row)
        for index in self._texts:
            # Each text has three columns; replacing from the left keeps the later indexes valid.
            shown, digest, size = values[index : index + 3]
            values[index : index + 3] = [StoredText(shown=shown, digest=digest, size=size)]
        return self.struct(**dict(zip(self._names, values, strict=True)))

    def all(self, rows: Iterable[Row[Any] | Sequence[Any]]) -> list[T]:
        """The structs of the rows."""
        return [self.one(row) for row in rows]


def text_values(name: str, text: StoredText) -> dict[str, Any]:
    """A StoredText as the values of its three columns."""
    return {name: text.shown, f"{name}_digest": text.digest, f"{name}_size": text.size}
