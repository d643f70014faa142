"""Fails on words that we do not use in texts for people: `check_words.py [FILE...]`, by default all enforced files.

`packaging/words.toml` contains the words, what to write instead, and the folders in which they are errors.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^ *(```|~~~)")
_CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->")
_WORD = re.compile(r"""[a-z]*["'][\w.:-]*["']""", re.IGNORECASE)
"""A string of one word is a name, such as a key, not a text."""
_TEXTS = {tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE}


def main(arguments: list[str]) -> int:
    """Print each finding with its place and the replacement; returns the exit status."""
    settings = tomllib.loads((ROOT / "packaging" / "words.toml").read_text(encoding="utf-8"))
    words = {
        re.compile(rf"(?<![\w.-])(?:{word})(?![\w-])", re.IGNORECASE): better
        for word, better in settings["words"].items()
    }
    found = 0
    for name in _files(settings["enforced"]):
        if any(_is_within(name, excluded) for excluded in settings["excluded"]) or (
            arguments and name not in arguments
        ):
            continue
        for line, text in _texts(ROOT / name):
            for word, better in words.items():
                for match in word.finditer(text):
                    sys.stdout.write(f"{name}:{line}: {match[0].strip()!r}: write {better}\n")
                    found += 1
    return 1 if found else 0


def _files(enforced: list[str]) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *enforced],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def _is_within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of the file that people read, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if path.suffix == ".py":
        yield from _texts_of_python(text)
    elif path.suffix == ".md":
        yield from _texts_of_markdown(text)
    else:
        yield from enumerate(text.splitlines(), 1)


def _texts_of_python(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _TEXTS and not _WORD.fullmatch(token.string):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, _CODE.sub("", line)


def _texts_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            in_code = not in_code
        elif not in_code:
            yield number, _CODE.sub("", line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
