"""What the pages quote as output of the program is what the program prints."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SOURCES = [*(ROOT / "ftl2_enterprise").rglob("*.py"), ROOT / "packaging" / "scripts" / "after-upgrade"]
TEXT_BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)
MESSAGE = re.compile(r"`((?:error: )?cannot [^`]+|the service has [^`]+|clients cannot [^`]+)`")
VARIABLE = re.compile(r"\.\.\.|/\S+|\b[A-Z]{2,}\b|\d+|'[^']*'|ftl2-enterprise: |^ *error: |, and |[.:;] ")
"""Where values are filled in, and where texts are joined."""


@cache
def printed() -> str:
    """The parts of all texts of the program, one a line, as they are before values are filled in."""
    found: list[str] = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def quotes() -> list[tuple[str, str]]:
    """Each quoted line with its page; decisions quote what was printed when they were made."""
    found: list[tuple[str, str]] = []
    for path in PAGES:
        page = str(path.relative_to(ROOT))
        if page.startswith("docs/decisions/"):
            continue
        text = path.read_text(encoding="utf-8")
        lines = [line for block in TEXT_BLOCK.findall(text) for line in block.splitlines()]
        found += [(page, quote) for quote in [*lines, *MESSAGE.findall(text)]]
    return found


@pytest.mark.parametrize(("page", "quote"), quotes())
def test_a_quoted_line_is_one_that_the_program_prints(page: str, quote: str) -> None:
    parts = [part.strip(" .:;,`") for part in VARIABLE.split(quote)]
    missing = [part for part in parts if len(part) > 5 and part not in printed()]
    assert missing == [], f"{page} quotes {quote!r}"


def test_pages_quote_messages() -> None:
    assert len(quotes()) > 8
