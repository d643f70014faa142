"""The directories that a command line changes to, and to which its relative words then belong. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANGING = ("cd", "pushd", "chdir")
_BASE_WORDS = frozenset({*_CHANGING, "-C", "--directory", "--chdir", "--wd"})
"""What a directory follows to which the words after it are relative."""
_BASE_OPTION = re.compile(r"(?:-C|--(?:chdir|wd|directory)=|(?:HOME|OLDPWD)=)(?=\S)")
"""What a directory follows in one word."""
_HOMES = frozenset({"su", "runuser", "sudo", "machinectl"})
"""Programs that begin in the directory of a user, with an option."""
_TARGETS_LIMIT = 6
_OF_STACK = re.compile(r"~([+-]\d*|\d+)(?=/|\Z)")
"""What bash replaces by the current directory (`~+`), the one before (`~-`), or another in which it was (`~1`)."""
_LISTED = "CDPATH"
"""The variable with directories in which `cd` searches a relative name."""
_HOME_OF = re.compile(r"(?:^|[;&|({\n])[ \t]*(?:cd|pushd|chdir)[ \t]*(?:$|[;&|)}\n])")
"""A change to the directory of the user."""
_REDIRECTION = re.compile(r"&?[<>][<>&|]*")
_ENDS = ";&|\n)"


def is_named_after(word: str) -> bool:
    """Whether the word after this one is a directory to which later words are relative."""
    return word in _BASE_WORDS or (word.startswith("-") and word.endswith(_CHANGING))


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
        if word.rpartition("(")[2] in _CHANGING:
            yield from _targets(given[n + 1 :])
        if word == "-execdir" and any(".." in one for one in given):
            # In any directory, from where `..` may lead anywhere.
            yield "/$directory"


def below_current(word: str) -> str:
    """The word with `.` instead of what bash replaces by a directory in which it is, or was."""
    return _OF_STACK.sub(".", word) if word.startswith("~") else word


def is_earlier(word: str) -> bool:
    """Whether it is below a directory in which the shell was before: which one is not known."""
    found = _OF_STACK.match(word)
    return word == "-" or (found is not None and found[1] not in {"+", "+0"})


def sets_search(given: list[str]) -> bool:
    """Whether the words may name directories in which `cd` searches; to unset or empty that variable does not."""
    for before, word, after in zip(["", *given], given, [*given[1:], ""], strict=False):
        if _LISTED not in word:
            continue
        is_emptied = word == f"{_LISTED}=" and not after.startswith(("(", "<", ">"))
        is_unset = word == _LISTED and before in {"unset", "-v"} and "unset" in given
        if not is_emptied and not is_unset:
            return True
    return False


def are_searched(given: list[str]) -> bool:
    """Whether a word after `cd` may be a name that is searched: it begins with neither of `/`, `.` and `..`."""
    changes = (n for n, word in enumerate(given) if word.rpartition("(")[2] in _CHANGING)
    return any(
        not word.startswith(("/", "~", "./", "../")) and word not in {"", ".", ".."}
        for n in changes
        for word in _targets(given[n + 1 :])
    )


def _targets(words: list[str]) -> Iterator[str]:
    """The words of which `cd` may take one as its directory: what is before is an option or a redirection."""
    left = _TARGETS_LIMIT
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        is_number = word.isdigit() and _REDIRECTION.fullmatch(after) is not None
        if not left or (word[0:1] in _ENDS and not word.startswith(("&1", "&>"))):
            return
        if not _REDIRECTION.fullmatch(before) and not word.startswith(("-", "<", ">", "&")):
            yield word.rstrip(_ENDS)
            left -= not is_number
        if word[-1:] in _ENDS and not word.endswith((">&", "<&")):
            return
