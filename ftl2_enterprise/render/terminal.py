"""What a stream can show. Nothing is loaded for it, not even typing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

FALLBACK_COLUMNS = 80
FALLBACK_ROWS = 24


def of(stream: TextIO, variables: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether lines may be redrawn and symbols help; whether there are colours."""
    terminal = _is_terminal(stream) and variables.get("TERM") != "dumb"
    # https://no-color.org: set and not empty.
    return terminal and _has_symbols(stream), terminal and not variables.get("NO_COLOR")


def columns(stream: TextIO) -> int:
    """How wide the terminal is now."""
    return _size(stream)[0] or _number("COLUMNS") or FALLBACK_COLUMNS


def rows(stream: TextIO) -> int:
    """How high the terminal is now."""
    return _size(stream)[1] or _number("LINES") or FALLBACK_ROWS


def _size(stream: TextIO) -> tuple[int, int]:
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _has_symbols(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _number(variable: str) -> int:
    given = os.environ.get(variable, "")
    return int(given) if given.isdecimal() and len(given) <= _DIGITS else 0


_DIGITS = 4
"""Of a size that some terminal may have."""
