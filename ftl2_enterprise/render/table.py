"""Tables that fit the terminal: wide columns are shortened, the least important ones are omitted."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.render.text import Line, Piece, Role, Span, cut, line, width

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
NARROWEST = 4
"""Width to which every column may be shortened as the last resort."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    title: str
    right: bool = False
    """Aligned to the right, for numbers."""
    least: int = 0
    """Width to which it may be shortened; 0: it is shown in full."""
    drop: int = 0
    """Order in which columns are omitted when the table is too wide, highest first; 0: never."""


type Cell = tuple[Span, ...]


# In a long table most cells are equal to the one above.
@lru_cache(maxsize=1024)
def cell(*pieces: Piece) -> Cell:
    """A cell of a table, made of pieces."""
    return line(*pieces).spans


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int | None = None) -> list[Line]:
    """Titles and rows, at most `room` columns wide; None for no limit.

    With a limit, the table is for a terminal: symbols are shown, and count for the widths of columns.
    """
    shown = [n for n, column in enumerate(columns) if _has_values(column, n, rows)]
    with_symbols = room is not None
    # Measured once, because tables have hundreds of rows.
    measured = [[_width(one, with_symbols=with_symbols) for one in row] for row in rows]
    widths = [max(width(column.title), *(row[n] for row in measured), 0) for n, column in enumerate(columns)]
    if room is not None:
        while _least(columns, widths, shown) > room and (n := _next_to_drop(columns, shown)) is not None:
            shown.remove(n)
        _shrink(columns, widths, shown, room)
    titles = [cell((column.title, Role.FAINT)) for column in columns]
    lines = [_row(titles, [width(column.title) for column in columns], columns, widths, shown)]
    return lines + [_row(row, found, columns, widths, shown) for row, found in zip(rows, measured, strict=True)]


def _has_values(column: Column, n: int, rows: Sequence[Sequence[Cell]]) -> bool:
    # A column that may be omitted and has no value is omitted even if there is room.
    return not column.drop or any(span.text.strip() not in {"", "-"} for row in rows for span in row[n])


def _width(one: Cell, *, with_symbols: bool) -> int:
    if len(one) == 1:
        return width(one[0].text)
    return sum([width(span.text) for span in one if with_symbols or not span.is_symbol])


def _least(columns: Sequence[Column], widths: list[int], shown: list[int]) -> int:
    return sum(min(widths[n], columns[n].least or widths[n]) for n in shown) + GAP * (len(shown) - 1)


def _next_to_drop(columns: Sequence[Column], shown: list[int]) -> int | None:
    droppable = [n for n in shown if columns[n].drop]
    return max(droppable, key=lambda n: columns[n].drop) if droppable else None


def _shrink(columns: Sequence[Column], widths: list[int], shown: list[int], room: int) -> None:
    for floor in ({n: columns[n].least or widths[n] for n in shown}, dict.fromkeys(shown, NARROWEST)):
        while sum(widths[n] for n in shown) + GAP * (len(shown) - 1) > room:
            shrinkable = [n for n in shown if widths[n] > floor[n]]
            if not shrinkable:
                break
            widths[max(shrinkable, key=lambda n: widths[n])] -= 1


def _row(
    cells: Sequence[Cell], measured: list[int], columns: Sequence[Column], widths: list[int], shown: list[int]
) -> Line:
    spans: list[Span] = []
    for n in shown:
        one, used = cells[n], measured[n]
        if used > widths[n]:
            one = _cut(one, widths[n])
            used = _width(one, with_symbols=True)
        blanks = widths[n] - used
        if columns[n].right:
            spans += [Span(" " * blanks), *one, Span(" " * GAP)]
        else:
            spans += [*one, Span(" " * (blanks + GAP))]
    if spans:
        spans.pop()
    return Line(tuple(spans))


def _cut(one: Cell, columns: int) -> Cell:
    fitting: list[Span] = []
    left = columns
    for span in one:
        text = cut(span.text, left)
        if text:
            fitting.append(Span(text, span.role, span.is_symbol))
        left -= width(text)
        if text != span.text:
            break
    return tuple(fitting)
