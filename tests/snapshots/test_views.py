"""Each view of `render/` against its golden file; `UPDATE_SNAPSHOTS=1 pytest tests/snapshots` updates the files."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise import render
from tests.snapshots.scenario import Scenario, golden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

FOLDER = Path(__file__).parent
GOLDEN: dict[str, list[Scenario]] = {
    f"{path.name}/{name}": found
    for path in FOLDER.iterdir()
    if (path / "__init__.py").exists()
    for name, found in importlib.import_module(f"{__package__}.{path.name}.scenarios").GOLDEN.items()
}
"""The scenarios of each capability and of the service, which are in a folder of its name with the golden files."""
UPDATE = "UPDATE_SNAPSHOTS"
PARTS = ("colour", "table", "text", "view")
"""Modules that views are made of."""


@pytest.mark.parametrize("name", GOLDEN)
def test_a_view_is_rendered_as_recorded(name: str) -> None:
    path = FOLDER / f"{name}.txt"
    rendered = golden(GOLDEN[name])
    if os.environ.get(UPDATE) and not os.environ.get("CI"):
        path.write_text(rendered, encoding="utf-8")
    recorded = path.read_text(encoding="utf-8") if path.exists() else ""
    assert rendered == recorded, f"if the new text is right, run: {UPDATE}=1 pytest tests/snapshots"


def test_there_is_a_golden_file_of_each_view_and_no_other() -> None:
    recorded = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt")}
    views = {f"{place}/{made.__name__}" for place, made in _line_makers() if _returns(made) == "ViewContent"}
    assert len(views) > 5
    assert views - recorded == set()
    assert recorded == set(GOLDEN)


def test_every_function_that_makes_lines_has_a_part_in_a_golden_file() -> None:
    expected = {made.__code__: f"{place}: {made.__qualname__}" for place, made in _line_makers()}
    assert len(expected) > 20
    called: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for scenarios in GOLDEN.values():
            golden(scenarios)
    finally:
        sys.setprofile(before)
    assert [name for code, name in expected.items() if code not in called] == []


def _line_makers() -> Iterator[tuple[str, Callable[..., object]]]:
    """The public functions and methods of `render` that return a view or lines, each with the capability."""
    for found in pkgutil.walk_packages(render.__path__, f"{render.__name__}."):
        *_, capability, module_name = found.name.split(".")
        if found.ispkg or module_name in PARTS:
            continue
        module = importlib.import_module(found.name)
        owners = [module, *(one for _, one in inspect.getmembers(module, inspect.isclass))]
        for owner in owners:
            for name, made in inspect.getmembers(owner, inspect.isfunction):
                if made.__module__ == found.name and not name.startswith("_") and _returns(made) in LINES:
                    yield capability, made


LINES = {"ViewContent", "Line", "list[Line]"}


def _returns(made: Callable[..., object]) -> str:
    return str(inspect.get_annotations(made).get("return"))
