"""The files that HACKING.md names exist."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = Path("HACKING.md").read_text()
FOLDERS = "|".join(
    path.name for path in Path("ftl2_enterprise").iterdir() if path.is_dir() and path.name != "__pycache__"
)
NAMED = re.findall(rf"`((?:(?:{FOLDERS})|tests|docs|packaging)/[\w./-]*)`", TEXT)
EXAMPLE = "NAME"


def test_every_file_exists() -> None:
    assert len(NAMED) > 40
    places = [
        Path(name) if name.startswith(("tests/", "docs/", "packaging/")) else Path("ftl2_enterprise", name)
        for name in NAMED
    ]
    assert [str(path) for path in places if EXAMPLE not in path.parts and not path.exists()] == []


def test_the_files_of_a_capability_are_those_of_loops_or_of_the_smallest_one() -> None:
    for name in re.findall(rf"`((?:protocol/|wiring/)?{EXAMPLE}/[\w./-]*)`", TEXT):
        places = (
            Path("ftl2_enterprise", name.replace(EXAMPLE, "loops")),
            Path("tests/support/third_capability", name.replace(EXAMPLE, "notes")),
        )
        assert any(place.exists() for place in places), name
