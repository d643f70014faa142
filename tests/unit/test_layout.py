"""The layout of the tests: files of a limited length, in folders that mirror those of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

TESTS = REPOSITORY / "tests"
MAX_LINES = 400
LEVELS = ("unit", "store", "integration")
"""The kinds of tests that are about one part of the source; the others are about the whole program."""
SOURCES = (REPOSITORY / "ftl2_enterprise", REPOSITORY)


def has_source(level: str, folder: Path) -> bool:
    """Whether a folder of tests has the name of a folder or a module; `store` is also a package."""
    places = [source / part for source in SOURCES for part in (folder, level / folder)]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in TESTS.rglob("*.py")
    }
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("level", LEVELS)
def test_folders_mirror_those_of_the_source(level: str) -> None:
    folders = {path.parent.relative_to(TESTS / level) for path in (TESTS / level).rglob("test_*.py")}
    assert len(folders) > 3
    assert [str(folder) for folder in sorted(folders) if not has_source(level, folder)] == []


def test_a_folder_without_a_source_is_noticed() -> None:
    assert has_source("unit", Path("supervisor/control"))
    assert has_source("store", Path("driver"))
    assert not has_source("unit", Path("supervisor/no_such_folder"))
