"""A class name exists once in the package, so that a name in a message, a page or a search means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import ftl2_enterprise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = Path(ftl2_enterprise.__file__).parent


def classes(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef]:
    """The classes of a module, also those for the type checker only."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield statement
        elif isinstance(statement, ast.If):
            yield from classes([*statement.body, *statement.orelse])


def test_every_class_name_is_unique() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for one in classes(ast.parse(path.read_text(encoding="utf-8")).body):
            # A private name that differs from a public one by its underscore is the same to a reader.
            found[one.name.lstrip("_")].append(f"{path.relative_to(PACKAGE)}:{one.lineno}")
    assert len(found) > 300
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
