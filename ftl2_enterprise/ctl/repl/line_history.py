"""The history of typed lines, kept in a file between shells; private arguments are not kept."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, override

from prompt_toolkit.history import History

from ftl2_enterprise.commandline import finder
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import tokenizer, user_dirs
from ftl2_enterprise.ctl.program import FTL2CTL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = "ftl2ctl_history"
KEPT = 2000
"""Maximum number of lines, applied when the shell starts."""


class LineHistory(History):
    """A history in a file that only its owner can read; in memory only when the file cannot be written."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    @override
    def load_history_strings(self) -> Iterable[str]:
        kept = _read(self._path)
        if len(kept) > 2 * KEPT:
            _write(self._path, kept[-KEPT:], os.O_TRUNC)
        return reversed(kept[-KEPT:])

    @override
    def append_string(self, string: str) -> None:
        # A line that repeats the one before is kept once.
        known = self.get_strings()
        if not known or known[-1] != string:
            super().append_string(string)

    @override
    def store_string(self, string: str) -> None:
        kept = to_keep(string)
        if kept:
            _write(self._path, [kept], os.O_APPEND)


def to_keep(text: str) -> str:
    """The part of a line that may be stored: without private arguments; empty for a line that begins with a blank."""
    first = " ".join(text.split("\n"))
    try:
        words = tokenizer.split(first)
    except Problem:
        words = first.split()
    if not words or text.startswith(" "):
        # As in bash, a line that begins with a blank is not kept.
        return ""
    public = _public(words)
    return first.strip() if public is None else " ".join(public)


def _public(words: list[str]) -> list[str] | None:
    """The words before the first private argument; None when no argument is private."""
    try:
        command, rest = finder.find(FTL2CTL, words)
    except Problem:
        return None
    places = [n for n, argument in enumerate(command.arguments) if argument.kind.is_private]
    if not places:
        return None
    return words[: len(words) - len(rest) + places[0]] if len(rest) > places[0] else None


def path(variables: Mapping[str, str]) -> str:
    """The path of the file."""
    return f"{user_dirs.own_dir(variables)}/{NAME}"


def _read(where: str) -> list[str]:
    try:
        with open(where, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return [text for text in file.read().split("\n") if text]
    except OSError:
        return []


def _write(where: str, kept: list[str], how: int) -> None:
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(where), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | how, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(f"{text}\n" for text in kept))
