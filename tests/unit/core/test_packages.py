"""What is found in a package by the names of its folders and files, without an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_module_of_a_name_is_a_file_or_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "found_by_folder"
    for file in (
        "first/facts.py",
        "second/facts/__init__.py",
        "compiled/facts.pyc",
        "without/verbs.py",
        "no_package/facts/verbs.py",
        "_private/facts.py",
        "facts.py",
    ):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    (root / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = packages.modules_named("facts", among="found_by_folder")
    assert found == [f"found_by_folder.{name}.facts" for name in ("compiled", "first", "second")]
