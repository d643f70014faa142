"""Fails on words that we do not use in texts and names: `check_words.py [FILE...]`, by default all enforced files.

`packaging/words.toml` contains the words, what to write instead, and the folders in which they are errors. A name is
checked where it is defined, as its parts, which are split at underscores and capitals.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^ *(```|~~~)")
_CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->")
_WORD = re.compile(r"""[a-z]*["'][\w.:-]*["']""", re.IGNORECASE)
"""A string of one word is a name, such as a key, not a text."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TEXTS = {tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE}


def main(arguments: list[str]) -> int:
    """Print each finding with its place and the replacement; returns the exit status."""
    settings = tomllib.loads((ROOT / "packaging" / "words.toml").read_text(encoding="utf-8"))
    words = _compiled(settings["words"])
    words_of_names = words | _compiled(settings["words_of_names"])
    found = 0
    for name in _files(settings["enforced"]):
        if any(_is_within(name, excluded) for excluded in settings["excluded"]) or (
            arguments and name not in arguments
        ):
            continue
        findings = list(_findings(_texts(ROOT / name), words))
        if name.endswith(".py"):
            names = (
                (line, one) for line, one in _names(ROOT / name) if f"{name}:{one}" not in settings["kept_names"]
            )
            findings += _findings(((line, _parts(one)) for line, one in names), words_of_names)
        for line, word, better in findings:
            sys.stdout.write(f"{name}:{line}: {word!r}: write {better}\n")
        found += len(findings)
    return 1 if found else 0


def _compiled(words: Mapping[str, str]) -> dict[re.Pattern[str], str]:
    return {re.compile(rf"(?<![\w.-])(?:{word})(?![\w-])", re.IGNORECASE): better for word, better in words.items()}


def _findings(
    texts: Iterable[tuple[int, str]], words: Mapping[re.Pattern[str], str]
) -> Iterator[tuple[int, str, str]]:
    """The line, the word and the replacement of each word that is not used."""
    for line, text in texts:
        for word, better in words.items():
            for match in word.finditer(text):
                yield line, match[0].strip(), better


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


def _names(path: Path) -> set[tuple[int, str]]:
    """The names that a Python file defines, with their lines."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add((node.lineno, node.name))
            case ast.Name(ctx=ast.Store()):
                found.add((node.lineno, node.id))
            case ast.Attribute(ctx=ast.Store()):
                found.add((node.lineno, node.attr))
            case ast.arg():
                found.add((node.lineno, node.arg))
            case ast.alias(asname=str(name)):
                found.add((node.lineno, name))
            case _:
                pass
    return found


def _parts(name: str) -> str:
    """The words of a name, split at underscores and capitals."""
    return " ".join(part for piece in name.split("_") for part in _PART.findall(piece))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
