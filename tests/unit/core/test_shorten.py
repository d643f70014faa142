"""Shortening of texts."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.shorten import shorten, shorten_line, shorten_middle


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("", 10, ""), ("just fits.", 10, "just fits."), ("one too many", 11, "one too..."), ("a b  cdef", 7, "a b...")],
)
def test_the_end_is_left_out(text: str, limit: int, expected: str) -> None:
    assert shorten(text, limit) == expected


def test_a_line_has_no_line_breaks() -> None:
    assert shorten_line(" a\n\tb\r\n c ", 10) == "a b c"
    assert shorten_line("a\n" * 100, 10) == "a a a a..."


def test_the_middle_is_left_out_and_counted() -> None:
    assert shorten_middle("x" * 100, 100) == "x" * 100
    text = "a" * 5_000 + "z" * 5_000
    assert shorten_middle(text, 40) == f"{'a' * 30}\n... 9,960 of 10,000 characters left out ...\n{'z' * 10}"


@pytest.mark.parametrize("limit", [1, 3, 4, 7])
def test_a_small_limit_keeps_a_beginning_and_an_end(limit: int) -> None:
    shown = shorten_middle("abcdefgh", limit)
    assert shown.startswith("a")
    assert shown.endswith("\n" + "h" * (limit >= 4))
