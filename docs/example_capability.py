"""Puts the files of the example capability into `explanation/example-capability.md`; the text around them stays.

A line `<!-- file: PATH -->` is followed by the file, as a block of code. Paths are relative to
`tests/support/third_capability`.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "explanation" / "example-capability.md"
FOLDER = DOCS.parent / "tests" / "support" / "third_capability"
_PLACE = re.compile(r"(<!-- file: (\S+) -->\n)(?:```python\n.*?\n```\n)?", re.DOTALL)


def document(page: str) -> str:
    """The page with the files as they are now."""

    def filled(place: re.Match[str]) -> str:
        return f"{place[1]}```python\n{(FOLDER / place[2]).read_text(encoding='utf-8').rstrip()}\n```\n"

    return _PLACE.sub(filled, page)


def files() -> list[str]:
    """The files that the page has to contain: all of the capability that are not empty."""
    paths = [path for path in sorted(FOLDER.rglob("*.py")) if path.read_text(encoding="utf-8").strip()]
    return [str(path.relative_to(FOLDER)) for path in paths]


def shown(page: str) -> list[str]:
    """The files that the page contains."""
    return [place[2] for place in _PLACE.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(document(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
