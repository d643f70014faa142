"""Tables that fit the terminal."""

from __future__ import annotations

import io

from hypothesis import given, strategies as st

from ftl2_enterprise.render.colour import Painter
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Role, cut, symbol, width


def shown(lines, *, terminal: bool = True) -> list[str]:
    out = Painter(stream=io.StringIO(), is_terminal=terminal, has_colour=False)
    return [out.rendered(one) for one in lines]


def test_wide_letters_do_not_shift_the_columns():
    lines = shown(table([Column("A"), Column("B")], [[cell("数据库"), cell("x")], [cell("abcdef"), cell("y")]], 40))
    at = {width(one[: one.index(last)]) for one, last in zip(lines[1:], "xy", strict=True)}
    assert at == {8}


def test_symbols_are_for_terminals():
    rows = [[cell(symbol("●", Role.GOOD), "up"), cell("x")], [cell("down"), cell("y")]]
    assert shown(table([Column("S"), Column("T")], rows, 40))[1] == "● up  x"
    assert shown(table([Column("S"), Column("T")], rows), terminal=False)[1:] == ["up    x", "down  y"]


def test_numbers_are_aligned_to_the_right():
    lines = shown(
        table([Column("N", right=True), Column("X")], [[cell("7"), cell("a")], [cell("123"), cell("b")]], 40)
    )
    assert lines == ["  N  X", "  7  a", "123  b"]


def test_a_column_without_values_is_left_out():
    lines = shown(table([Column("A"), Column("B", drop=1)], [[cell("x"), cell("-")]], 40))
    assert lines == ["A", "x"]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_categories=("C", "M", "Z")), max_size=30)] * 3),
        max_size=5,
    ),
    st.integers(min_value=20, max_value=90),
)
def test_any_table_fits(rows, room):
    columns = [Column("ONE", least=5), Column("TWO", drop=1), Column("THREE")]
    for one in shown(table(columns, [[cell(text) for text in row] for row in rows], room)):
        assert width(one) <= room


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "M")), max_size=40), st.integers(0, 50))
def test_a_text_is_cut_to_its_columns(text, columns):
    assert width(cut(text, columns)) <= columns
    assert cut(text, 200) == text
