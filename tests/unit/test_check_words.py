"""The check of words: it reads texts for people, and the names that Python defines."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import check_words

if TYPE_CHECKING:
    from pathlib import Path

WORDS = """
enforced = ["a.py", "b.md"]
excluded = []

[words]
'told' = "notified"
'hurr(y|ied)' = "expedite"
'carry out' = "execute"

[words_of_names]
'wanted' = "requested"

[kept_names]
"a.py:LoopHurried" = "a stored kind"
"""


def findings(capsys: pytest.CaptureFixture[str], root: Path, name: str, text: str) -> list[str]:
    (root / name).write_text(text)
    status = check_words.main([])
    found = capsys.readouterr().out.splitlines()
    assert status == (1 if found else 0)
    return found


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "packaging").mkdir()
    (tmp_path / "packaging" / "words.toml").write_text(WORDS)
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        '"""It is told."""',
        "# It is told.",
        'print("it was told")',
        'print(f"{1} was told")',
        'print(f"told {1}")',
    ],
)
def test_comments_docstrings_and_messages_are_checked(
    capsys: pytest.CaptureFixture[str], root: Path, line: str
) -> None:
    assert findings(capsys, root, "a.py", line + "\n") == ["a.py:1: 'told': write notified"]


@pytest.mark.parametrize(
    "line",
    [
        'print("wanted by a user")',
        'print(event["told"])',
        'kinds = {"loop.hurried"}',
        '"""As in `told`."""',
        "# The fact loop.hurried, the field is_told.",
    ],
)
def test_names_within_texts_are_not_checked(capsys: pytest.CaptureFixture[str], root: Path, line: str) -> None:
    assert findings(capsys, root, "a.py", line + "\n") == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("told = 1", "told: write notified"),
        ("one.was_told = 1", "told: write notified"),
        ("def carry_out(): ...", "carry out: write execute"),
        ("class CarryOut: ...", "Carry Out: write execute"),
        ("def run(wanted): ...", "wanted: write requested"),
        ("import a as told", "told: write notified"),
    ],
)
def test_the_parts_of_a_defined_name_are_checked(
    capsys: pytest.CaptureFixture[str], root: Path, line: str, word: str
) -> None:
    name, _, better = word.partition(": ")
    assert findings(capsys, root, "a.py", line + "\n") == [f"a.py:1: {name!r}: {better}"]


@pytest.mark.parametrize("line", ["class LoopHurried: ...", "print(told, one.told, run(told=1))", "untold = 1"])
def test_kept_names_and_uses_of_names_are_not_checked(
    capsys: pytest.CaptureFixture[str], root: Path, line: str
) -> None:
    assert findings(capsys, root, "a.py", line + "\n") == []


def test_code_in_pages_is_not_checked(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    page = "It is told.\n\n```sh\ntold\n```\n[`told`](told.md)\n"
    assert findings(capsys, root, "b.md", page) == ["b.md:1: 'told': write notified"]
