"""Completion in the shell: the same candidates as in bash, zsh and fish, and file names."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, override

from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from ftl2_enterprise.ctl import completion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent

    from ftl2_enterprise.ctl.completion import CompletionCandidate, Names


SPECIAL = set(" \t\n\"'\\")
"""Characters that need quotation marks."""


class ShellCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, names: Names) -> None:
        self._names = names

    @override
    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        words, start = split(document.text_before_cursor)
        if words[:1] == ["ftl2ctl"]:
            words = words[1:]
        found = completion.complete(words, start, self._names, in_shell=True)
        for one in found.candidates:
            yield Completion(
                _quoted(one.word), start_position=-_typed(document.text_before_cursor), display_meta=one.about
            )
        if found.files:
            path = start.partition("=")[2] if start.startswith("--") else start
            yield from _paths(found.endings).get_completions(Document(path), complete_event)


class AnswerCompleter(Completer):
    """Completes an option of a question."""

    def __init__(self, options: Iterable[CompletionCandidate]) -> None:
        self._options = list(options)

    @override
    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor.lstrip()
        for one in self._options:
            if one.word.casefold().startswith(typed.casefold()):
                yield Completion(one.word, start_position=-len(typed), display_meta=one.about)


def _paths(endings: tuple[str, ...]) -> PathCompleter:
    def is_offered(path: str) -> bool:
        return not endings or path.endswith(endings) or os.path.isdir(path)  # noqa: PTH112

    return PathCompleter(expanduser=True, file_filter=is_offered)


def split(text: str) -> tuple[list[str], str]:
    """The complete words, and the unfinished one at the end, in which a quotation mark may be open."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(text + closing)
        except ValueError:
            continue
        if not closing and (not text or text[-1].isspace()):
            return words, ""
        return words[:-1], words[-1] if words else ""
    return text.split()[:-1], ""


def _typed(text: str) -> int:
    """The length of the unfinished word in the line, with its quotation mark."""
    at = len(text)
    while at > 0:
        at -= 1
        if text[at].isspace() and split(text[: at + 1])[1] == "":
            return len(text) - at - 1
    return len(text)


def _quoted(word: str) -> str:
    return shlex.quote(word) if not word or set(word) & SPECIAL else word
