"""The page about the example capability contains its files, completely and as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docs import example_capability
from tests.acceptance.service import test_third_capability as proof

if TYPE_CHECKING:
    from pathlib import Path

PAGE = example_capability.PAGE.read_text(encoding="utf-8")


def test_the_page_contains_every_file_as_it_is() -> None:
    assert sorted(example_capability.shown(PAGE)) == sorted(example_capability.files())
    assert example_capability.document(PAGE) == PAGE, "run `make reference`"


def test_the_lines_of_the_lists_are_those_that_the_proof_adds() -> None:
    for line in proof.LINES.values():
        assert f"```\n{line}```" in PAGE


def test_a_copy_of_the_blocks_is_the_capability(tmp_path: Path) -> None:
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in example_capability.files():
        assert (tmp_path / name).read_text() == (example_capability.FOLDER / name).read_text()
