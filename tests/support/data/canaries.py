"""A hundred secrets, the encodings in which programs print them, and the search for what is left of them."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import string
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COUNT = 100
WINDOW = 12
"""Characters: no part of that length of any encoding may be left."""
_LETTERS = string.ascii_letters + string.digits
_ALPHABETS = (
    _LETTERS,
    _LETTERS + "!\"'$%&/()=?\\`*+~#;:<>| {}[]@,",
    string.digits,
    "0123456789abcdef",
    _LETTERS + "+/",
    _LETTERS + "äöüßéΩ漢字",
)


def canary(number: int) -> str:
    """The secret with this number: of 8 to 170 characters, some of several lines, in several alphabets."""
    chosen = random.Random(number * 7919 + 12)
    letters = _ALPHABETS[number % len(_ALPHABETS)]
    length = 8 + number * 162 // (COUNT - 1)
    lines = 3 if number % 5 == 4 and length > 60 else 1
    # Begins and ends with a letter: white space at an end would not be part of a line.
    return "\n".join(f"k{''.join(chosen.choices(letters, k=length // lines - 2))}z" for _ in range(lines))


@cache
def canaries() -> list[str]:
    """All of them."""
    return [canary(number) for number in range(COUNT)]


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _quoted_by_bash(raw: bytes) -> str:
    script = 'IFS= read -r -d "" text; printf %q "$text"'
    return subprocess.run(["bash", "-c", script], input=raw, capture_output=True, check=False).stdout.decode()


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    # First, because the middle of a long output is left out, and a wrapped encoding that was cut is not found.
    "base64 in quoted lines": lambda raw: "\n".join(f'"{line}" +' for line in textwrap.wrap(_base64(raw), 40)),
    "base64 twice": lambda raw: base64.encodebytes(base64.encodebytes(raw)).decode().rstrip(),
    "plain": bytes.decode,
    "base64": _base64,
    "base64 at offset 1": lambda raw: _base64(b"u" + raw + b"x"),
    "base64 at offset 2": lambda raw: _base64(b"us" + raw + b"xy"),
    "URL-safe base64": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64 wrapped at 76": lambda raw: base64.encodebytes(raw).decode().rstrip(),
    "hex": bytes.hex,
    "upper-case hex": lambda raw: raw.hex().upper(),
    "hex wrapped at 60": lambda raw: "\n".join(textwrap.wrap(raw.hex(), 60)),
    "URL": lambda raw: quote(raw, safe=""),
    "JSON": lambda raw: json.dumps(raw.decode()),
    "HTML": lambda raw: html.escape(raw.decode()),
    "shell": lambda raw: shlex.quote(raw.decode()),
    "printf %q": _quoted_by_bash,
    "repr": lambda raw: repr(raw.decode()),
    "encodeURIComponent": lambda raw: quote(raw, safe="!'()*~"),
    "JSON of Go": lambda raw: json.dumps(raw.decode()).translate(
        {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}
    ),
    "HTML without quotes": lambda raw: html.escape(raw.decode(), quote=False),
}
"""What programs print most often; the unit tests of secret forms have more."""


def written(secret: str) -> str:
    """The secret in every encoding."""
    return "\n".join(encode(secret.encode()) for encode in ENCODINGS.values())


def save(folder: Path) -> Path:
    """Write each secret into a file `cNN` as a credential, and all their encodings into `cNN.forms`."""
    folder.mkdir()
    for number, secret in enumerate(canaries()):
        (folder / f"c{number:02}").write_text(secret)
        (folder / f"c{number:02}.forms").write_text(written(secret) + "\n")
    return folder


@cache
def _windows() -> tuple[frozenset[bytes], dict[bytes, int]]:
    """Every part of every encoding that is as long as a window, and the shorter encodings, whole."""
    parts: set[bytes] = set()
    short: dict[bytes, int] = {}
    for number, secret in enumerate(canaries()):
        for line in written(secret).splitlines():
            for data in {line.encode(), json.dumps(line)[1:-1].encode()}:
                parts |= {data[at : at + WINDOW] for at in range(len(data) - WINDOW + 1)}
                if 8 <= len(data) < WINDOW and not line.isdigit():
                    short[data] = number
    return frozenset(parts), short


def left_in(data: bytes) -> list[str]:
    """What is left of the secrets in the data: parts of them, each with its surroundings."""
    windows, short = _windows()
    found = [at for at in range(len(data) - WINDOW + 1) if data[at : at + WINDOW] in windows]
    found += [data.index(part) for part in short if part in data]
    return [repr(data[max(0, at - 60) : at + 60]) for at in found[:3]]


def left_in_files(files: Iterable[Path]) -> dict[str, list[str]]:
    """The same for files, by path."""
    left = {str(path): left_in(path.read_bytes()) for path in files if path.is_file()}
    return {path: found for path, found in left.items() if found}


if __name__ == "__main__":
    save(Path(sys.argv[1]))
