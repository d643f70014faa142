"""The toolbar of the shell."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.ctl.repl import toolbar
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from ftl2_enterprise.render.text import width
from tests.support.terminal.shell_part import PARTS, seen


def bar(now: Snapshot, columns: int = 100) -> str:
    return "".join(text for _, text in toolbar.fragments(now, PARTS, columns))


def test_the_toolbar_has_the_texts_of_all_parts():
    assert bar(seen(apples=2, pears=3)) == " 2 apples  3 pears"
    assert ("class:good", "2 apples") in toolbar.fragments(seen(apples=2), PARTS, 100)


def test_the_toolbar_before_the_first_read():
    assert bar(Snapshot()) == " connecting ..."


def test_the_toolbar_without_parts_shows_that_there_is_a_connection():
    assert toolbar.fragments(Snapshot(is_read=True), {}, 100) == [("class:faint", " connected")]


def test_the_toolbar_shows_that_the_service_is_unreachable():
    gone = replace(seen(), problem=unavailable("cannot reach"))
    assert bar(gone) == " ✘ the service is unreachable, trying again"
    assert "denies access" in bar(Snapshot(problem=Problem(Code.DENIED, "cannot reach")))


@pytest.mark.parametrize("columns", [10, 15, 30])
def test_the_toolbar_fits(columns):
    assert width(bar(seen(), columns)) <= columns
    assert bar(seen(), columns).startswith(" 1 apples")
