"""What is particular to SQLite is in `store/sqlite/`; imports are checked by the contracts in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import ftl2_enterprise

PROGRAM = Path(ftl2_enterprise.__file__).parent
MARKS = re.compile(
    r"\bPRAGMA\b|sqlite_|\bdialects\.sqlite\b|\bimport sqlite3\b|AUTOINCREMENT|\bBEGIN (IMMEDIATE|DEFERRED)"
)
EXCEPT = (
    "store/sqlite/",
    # Options by the name of SQLAlchemy's dialect, because tables are declared before a driver is known.
    "store/dialects.py",
)


def marks() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(PROGRAM.rglob("*.py")):
        name = path.relative_to(PROGRAM).as_posix()
        lines = [line.strip() for line in path.read_text().splitlines() if MARKS.search(line)]
        if lines:
            found[name] = lines
    return found


def test_only_the_driver_uses_the_words_of_sqlite() -> None:
    """Except migrations, which are written in the SQL of the database that they change."""
    found = marks()
    assert "store/sqlite/driver.py" in found, "the search finds what there is"
    named = {name: lines for name, lines in found.items() if not name.startswith(EXCEPT)}
    assert {name: lines for name, lines in named.items() if "/migrations/" not in name} == {}
