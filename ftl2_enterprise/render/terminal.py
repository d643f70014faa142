"""What a stream can show. It imports nothing but `os`, not even typing: `ftl2ctl status` loads it each time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

FALLBACK_COLUMNS = 80
FALLBACK_ROWS = 24
INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""Exit status when the reader of the output has left: 128 + SIGPIPE."""


def of(stream: TextIO, variables: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the stream is a terminal on which lines can be redrawn and symbols shown; whether it has colours."""
    terminal = is_terminal(stream) and variables.get("TERM") != "dumb"
    # https://no-color.org: set and not empty.
    return terminal and _has_symbols(stream), terminal and not variables.get("NO_COLOR")


def columns(stream: TextIO) -> int:
    """The present width of the terminal."""
    return _size(stream)[0] or _number("COLUMNS") or FALLBACK_COLUMNS


def rows(stream: TextIO) -> int:
    """The present height of the terminal."""
    return _size(stream)[1] or _number("LINES") or FALLBACK_ROWS


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it is a terminal; a program may be started with its streams closed."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _size(stream: TextIO) -> tuple[int, int]:
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0


def _has_symbols(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _number(variable: str) -> int:
    given = os.environ.get(variable, "")
    return int(given) if given.isdecimal() and len(given) <= _DIGITS else 0


_DIGITS = 4
"""Of a size that a terminal may have."""
