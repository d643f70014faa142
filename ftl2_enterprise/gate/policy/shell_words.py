"""The words of a command line, as a shell reads them. Pure."""

from __future__ import annotations

import re
import shlex

LINE_LIMIT = 128 * 1024
"""Characters of a command line: Linux executes no program with a longer argument (execve(2), MAX_ARG_STRLEN)."""
QUOTES = frozenset("'\"\\")
_PLAIN = re.compile(r"[();<>|&]+|[^();<>|& \t\r\n]+")
_OPTION_LETTERS = re.compile(r"-[A-Za-z\d]*")


def words(command: str) -> list[str]:
    """The words of a command line as a shell reads them, or separated by blanks if its quotes do not match."""
    found = exact(command)
    return command.split() if found is None else found


def exact(command: str) -> list[str] | None:
    """The words of a command line as a shell reads them; None if its quotes do not match."""
    if QUOTES.isdisjoint(command):
        # The same words, found faster.
        return _PLAIN.findall(command)
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def without_quotes(command: str) -> list[str]:
    """The words of a command line if no sign is quoted."""
    return _PLAIN.findall(re.sub(r"""['"\\]""", "", command))


def end_of_options(word: str) -> int:
    """The end of what may be options of one letter at the beginning of a word, as `-vvv`; 0 if there are none."""
    letters = _OPTION_LETTERS.match(word)
    return letters.end() if letters is not None else 0
