"""Properties of the terminal that a stream writes to.

Imports nothing but `os`, not even typing, because `ftl2ctl status` loads this module before anything else.
"""

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
"""Exit status when the reader has closed the pipe: 128 + SIGPIPE."""


def of(stream: TextIO, variables: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the stream is a terminal that shows symbols and can redraw lines, and whether it shows colours."""
    terminal = is_terminal(stream) and variables.get("TERM") != "dumb"
    # https://no-color.org: the variable counts when it is set and not empty.
    return terminal and _has_symbols(stream), terminal and not variables.get("NO_COLOR")


def columns(stream: TextIO) -> int:
    """The current width of the terminal."""
    return _size(stream)[0] or _number("COLUMNS") or FALLBACK_COLUMNS


def rows(stream: TextIO) -> int:
    """The current height of the terminal."""
    return _size(stream)[1] or _number("LINES") or FALLBACK_ROWS


def is_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is open and a terminal; a program may be started with closed streams."""
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
"""Maximum number of digits of the size of a terminal."""
