"""The simple commands of a command line, also those that its programs execute. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from itertools import groupby, islice
from typing import TYPE_CHECKING

from ftl2_enterprise.gate.policy import quoting, shell_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPERATORS = re.compile(r"&&|\|\||(?<!>)\||[;&\n]")
_GROUPS = re.compile(r"&&|\|\||\$\(|(?<![<>])&(?!>)|(?<!>)\||[;\n()`]")
_RESERVED = frozenset({"!", "{", "if", "then", "elif", "else", "while", "until", "do"})
_NAMING = frozenset({"coproc", "function"})
"""Reserved words that a name may follow."""
_WRAPPERS: Mapping[str, int] = {
    **dict.fromkeys((
        "sudo", "doas", "pkexec", "env", "exec", "command", "builtin", "eval", "nohup", "nice", "ionice", "time",
        "timeout", "setsid", "stdbuf", "setpriv", "prlimit", "nsenter", "unshare", "systemd-run", "systemd-inhibit",
        "xargs", "watch", "busybox", "sh", "bash", "rbash", "dash", "ash", "ksh", "zsh", "linux32", "linux64", "i386",
        "x86_64", "choom", "fakeroot", "strace", "valgrind", "dbus-run-session", "ssh-agent", "start-stop-daemon",
        "mksh", "yash", "fish", "csh", "tcsh", "posh", "toybox", "ltrace", "capsh", "ld.so", "run0", "uclampset",
        "numactl", "firejail", "proot", "fakechroot", "unbuffer", "entr", "tini", "dumb-init", "setuidgid",
        "softlimit", "parallel", "chpst", "catchsegv", "cgexec", "daemonize", "lxc-attach", "gdb",
    ), 0),
    **dict.fromkeys((
        "chrt", "taskset", "flock", "chroot", "su", "runuser", "sg", "setarch", "script", "logsave", "runcon", "gosu",
        "su-exec", "faketime", "s6-setuidgid", "perf",
    ), 1),
}  # fmt: skip
"""Programs that execute one that follows, and how many operands may be before it, besides options and numbers."""
_LOADER = re.compile(r"ld(?:64|-[\w.-]+)?\.so(?:\.\d+)*")
"""The program of the C library that executes the one that it is given."""
_APPENDING = frozenset({"xargs", "parallel"})
"""Programs that append to the words of the one that they execute what they read."""
_READING_AGAIN = frozenset({"eval", "watch", "parallel"})
"""Programs that read their words, joined, as a command line."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^\]]*\])?\+?=")
_REDIRECTION = re.compile(r"(&?>{1,2}|<{1,3}|<>)[&|]?")
_DESCRIPTOR = re.compile(r"\{[A-Za-z_]\w*(\[.*\])?\}")
_OPENED_INDEX = re.compile(r"\{?[A-Za-z_]\w*\[[^\]]*")
_CLOSED_INDEX = re.compile(r"\](?:\+?=|\})")
"""Where the index of an array ends in an assignment, or in the name of a descriptor: there may be blanks in it."""
_SEPARATOR = re.compile(r"[;&|()]+")
_NUMBER = re.compile(
    r"[+-]?(0x[\da-f]*[.,]?[\da-f]+(p[+-]?\d+)?|(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?|inf(inity)?)[smhd]?", re.IGNORECASE
)
"""A number as `strtod` of C reads it, with the unit of `timeout`."""
_NUMBER_LIMIT = 64
"""Characters of a word that is compared with it, which takes long; a longer one may be a number or a program."""
_EXECUTING = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
"""Options of `find` that a command follows."""
_JOINING = frozenset({"ssh", "mosh", "rsh", "pssh", "parallel", "tmux", "screen", "ansible", *_WRAPPERS, *_EXECUTING})
"""Words of a command whose other words may become a command line."""
_STARTS_LIMIT = 100
_LINES_LIMIT = 100
"""Command lines in words of others that are compared."""


def simple_commands(command: str) -> list[str] | None:
    """The commands of a command line: each with single blanks and no quotes, and with the name of its program.

    What comes before a program, such as `sudo`, an assignment or a redirection, is also left out. None if a command
    can begin at more words than are compared, or the command line is longer than a program can receive.
    """
    found = commands(command)
    return None if found is None else list(dict.fromkeys(text for one in found for text in one))


def executed_commands(given: list[str]) -> list[str] | None:
    """As `simple_commands`, of words that no shell reads: a `;` in one separates it from no other one.

    It does if one of the words is a program that executes others, which may join them.
    """
    lines = [" ".join(given), shlex.join(given)]
    if all(len(line) <= shell_words.LINE_LIMIT for line in lines) and not any(map(_may_join, given)):
        forms = [" ".join((posixpath.basename(given[0]), *given[1:]))] if given else []
        # What is before the first sign in a word is no command.
        lines = [word[found.start() :] for word in given if (found := _GROUPS.search(word)) is not None]
    else:
        forms = []
    each = [simple_commands(line) for line in lines]
    if None in each:
        return None
    return list(dict.fromkeys((*forms, *(text for one in each for text in one or ()))))


def _may_join(word: str) -> bool:
    return posixpath.basename(word) in _JOINING


def commands(command: str) -> list[list[str]] | None:
    """As `simple_commands`: for each command the ways in which it can be written."""
    found: list[list[str]] = []
    if len(command) > shell_words.LINE_LIMIT or not quoting.are_known(command):
        return None
    texts = [command]
    # A word of one line may itself be a line, which is then compared, too.
    for one in texts:
        for given in _commands_of(one):
            starts = _starts(given)
            if len(starts) > _STARTS_LIMIT or len(texts) > _LINES_LIMIT:
                return None
            forms: list[str] = []
            for at in starts:
                forms.append(" ".join(given[at:]))
                forms.append(" ".join((posixpath.basename(given[at]), *given[at + 1 :])))
                if any(posixpath.basename(word) in _APPENDING for word in given[:at]):
                    forms.append(f"{forms[-1]} {{}}")
            if forms:
                found.append(forms)
            if not shell_words.QUOTES.isdisjoint(one):
                texts += [line for line in islice(_lines_in_words(given, starts), _LINES_LIMIT) if line not in texts]
    return found


def _commands_of(command: str) -> Iterator[list[str]]:
    """The words of each command of a command line, in each way to read it."""
    readings = quoting.readings(command)
    for one in dict.fromkeys(part for text in readings for by in (_OPERATORS, _GROUPS) for part in by.split(text)):
        exact = shell_words.exact(one)
        if exact is not None:
            yield exact
        else:
            # A part of a text in quotes, which may be the command line of `sh -c`.
            yield from (one.split(), shell_words.without_quotes(one))
    for one in readings:
        # A sign in quotes does not separate.
        exact = None if shell_words.QUOTES.isdisjoint(one) else shell_words.exact(one.replace("\n", ";"))
        for is_separator, members in groupby(exact or (), key=lambda word: _SEPARATOR.fullmatch(word) is not None):
            if not is_separator:
                yield list(members)


def _lines_in_words(given: list[str], starts: set[int]) -> Iterator[str]:
    """Words that are command lines: where a command may begin, or the value of an option, as in `su -c'rm /x'`."""
    wrapper = ""
    for at, word in enumerate(given):
        name = posixpath.basename(word)
        wrapper = word if name in _WRAPPERS else wrapper
        if name in _READING_AGAIN and at + 1 < len(given):
            yield " ".join(given[at + 1 :])
        if not any(map(str.isspace, word)):
            continue
        if at in starts:
            yield word
        if wrapper and word.startswith("-"):
            for value in _option_values(word):
                yield f"{wrapper} {value}"
                # The words that follow may be its arguments, as of `env -S`.
                yield " ".join((wrapper, value, *given[at + 1 :]))


def _may_be_number(word: str) -> bool:
    return len(word) > _NUMBER_LIMIT or _NUMBER.fullmatch(word.strip()) is not None


def _option_values(word: str) -> Iterator[str]:
    """What may be the value in a word that has options and a value: of `-qcx y` it is `cx y` or `x y`."""
    if word.startswith("--"):
        yield word.partition("=")[2]
        return
    yield from (word[at:] for at in range(2, shell_words.end_of_options(word) + 1))


def _executes(word: str) -> int | None:
    """How many operands may be before the program that this one executes; None if it is no such program."""
    name = posixpath.basename(word)
    return 0 if _LOADER.fullmatch(name) else _WRAPPERS.get(name)


def _given_to_shells(given: list[str]) -> Iterator[int]:
    """The words that a shell reads as its standard input."""
    if "<<<" in given and any(_executes(word) is not None for word in given):
        yield from (at for at, word in enumerate(given[:-1], 1) if word == "<<<")


def _starts(given: list[str]) -> set[int]:
    """Where a command may begin: at its first word, and after words that only precede a program."""
    found = {0} if given else set[int]()
    seen: set[tuple[int, int]] = set()
    left = [(0, -1)]
    found |= set(_given_to_shells(given))
    left += [(at + 1, 0) for at, word in enumerate(given) if word in _EXECUTING]
    while left and len(found) <= _STARTS_LIMIT:
        # How many operands may follow, of the program that executes another one; -1 if there is none before.
        at, operands = left.pop()
        if at >= len(given) or (at, operands) in seen:
            continue
        seen.add((at, operands))
        word = given[at]
        is_wrapped = operands >= 0
        more = _executes(word)
        if more is not None:
            found.add(at)
            left.append((at + 1, more))
        elif word in _RESERVED or _DESCRIPTOR.fullmatch(word):
            left.append((at + 1, operands))
        elif word in _NAMING:
            left += [(at + 1, operands), (at + 2, operands)]
        elif _OPENED_INDEX.fullmatch(word):
            found.add(at)
            ends = (n for n in range(at + 1, len(given)) if _CLOSED_INDEX.search(given[n]))
            left.append((next(ends, at) + 1, operands))
        elif _ASSIGNMENT.match(word) or (is_wrapped and "=" in word and not word.startswith("-")):
            left.append((at + 1, operands))
            if any(map(str.isspace, word)):
                found.add(at)
        elif _REDIRECTION.fullmatch(word):
            left.append((at + 2, operands))
        elif (is_wrapped or any(map(_REDIRECTION.fullmatch, given[at + 1 : at + 2]))) and _may_be_number(word):
            # Of a `timeout`, or what a redirection is about.
            left.append((at + 1, operands))
            if len(word) > _NUMBER_LIMIT:
                found.add(at)
        elif is_wrapped and word.startswith(("-", "+")):
            # The word after an option may be its value.
            left += [(at + 1, operands), (at + 2, operands)]
        else:
            found.add(at)
            left += [(at + 1, operands - 1)] if operands > 0 else []
    return found
