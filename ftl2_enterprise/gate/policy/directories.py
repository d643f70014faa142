"""The directories that a command line changes to, and to which its relative words then belong. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASE_WORDS = frozenset({"cd", "pushd", "-C", "--directory", "--chdir", "--wd"})
"""What a directory follows to which the words after it are relative."""
_BASE_OPTION = re.compile(r"(?:-C|--(?:chdir|wd|directory)=|(?:HOME|CDPATH)=)(?=\S)")
"""What a directory follows in one word."""
_HOMES = frozenset({"su", "runuser", "sudo", "machinectl"})
"""Programs that begin in the directory of a user, with an option."""
_TARGETS_LIMIT = 6
_HOME_OF = re.compile(r"(?:^|[;&|({\n])[ \t]*(?:cd|pushd)[ \t]*(?:$|[;&|)}\n])")
"""A change to the directory of the user."""
_ENDS = ";&|\n)"


def is_named_after(word: str) -> bool:
    """Whether the word after this one is a directory to which later words are relative."""
    return word in _BASE_WORDS or (word.startswith("-") and word.endswith(("cd", "pushd")))


def goes_home(line: str) -> bool:
    """Whether the line changes to the directory of the user."""
    return _HOME_OF.search(line) is not None


def named(given: list[str]) -> Iterator[str]:
    """The directories that are not the word after `cd`: after options and redirections, of options, or of people."""
    for n, word in enumerate(given):
        if (found := _BASE_OPTION.match(word)) is not None:
            yield word[found.end() :]
        if word in _HOMES and any(one in {"-", "-l", "--login"} for one in given[n + 1 :]):
            yield "~"
        if word.rpartition("(")[2] in {"cd", "pushd"}:
            yield from _targets(given[n + 1 :])
        if word == "-execdir" and any(".." in one for one in given):
            # In any directory, from where `..` may lead anywhere.
            yield "/$directory"


def _targets(words: list[str]) -> Iterator[str]:
    """The words of which `cd` may take one as its directory: what is before is an option or a redirection."""
    for word in words[:_TARGETS_LIMIT]:
        if word[0:1] in _ENDS and not word.startswith("&1"):
            return
        if not word.startswith(("-", "<", ">", "&")):
            yield word.rstrip(_ENDS)
        if word[-1:] in _ENDS and not word.endswith((">&", "<&")):
            return
