"""Paths in parameters and in command lines, in normal form. Pure: what only the host knows is passed in."""

from __future__ import annotations

import posixpath
import re
import shlex
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.gate.policy import kernel_links, quoting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WORDS_LIMIT = 2000
"""Words of one command line that are compared as paths."""
PATHS_LIMIT = 400
"""Paths of one call that are compared, and resolved on the host."""

_BASE_WORDS = frozenset({"cd", "pushd", "-C", "--directory", "--chdir", "--wd"})
"""What a directory follows to which the words after it are relative."""
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
_BASE_OPTION = re.compile(r"(?:-C|--(?:chdir|wd|directory)=|(?:HOME|CDPATH)=)(?=\S)")
"""What a directory follows in one word."""
_HOMES = frozenset({"su", "runuser", "sudo", "machinectl"})
"""Programs that begin in the directory of a user, with an option."""
_EDITORS = frozenset({"sed", "gsed", "ssed", "ed", "red", "ex", "vi", "vim", "nvim"})
"""Programs with commands that a path may follow without a blank, as in `w/etc/x` and `s/a/b/w/etc/x`."""
_EDITED = re.compile(r"(?<![A-Za-z])[gpiIMme\d]*[wWrR](?=/[^/\s])")
_TARGETS_LIMIT = 6
_HOME_OF = re.compile(r"(?:^|[;&|({\n])[ \t]*(?:cd|pushd)[ \t]*(?:$|[;&|)}\n])")
"""A change to the directory of the user."""
_ENDS = ";&|\n)"
_OPTIONS_LIMIT = 5
"""Options in one word that are separated from the value that follows them in it."""
_LINES_LIMIT = 100
"""Command lines in words of others that are compared."""
_COMMAND_LIMIT = 128 * 1024
"""Characters of a command line: Linux executes no program with a longer argument (execve(2), MAX_ARG_STRLEN)."""
_QUOTES = frozenset("'\"\\")
_PLAIN = re.compile(r"[();<>|&]+|[^();<>|& \t\r\n]+")
_EXPANDED = re.compile(r"[*?\[$`{]")
_UPWARDS = re.compile(r"[/{,]\.[.?*\[{$`]")
"""`..`, or what a shell may expand to it."""
_PARTS = re.compile(r"[=:,<>()`'\"{}\s;&|]+")
_CALLED_ROOT = re.compile(r"(?<=[;&|(])(?<!=\()/+(?=[=:,<>()`'\"{}\s;&|]|\Z)")
"""`/` where a shell expects a program, which it cannot be: a part of another language, as in `(^|/)x`."""
_LINE_SIGNS = re.compile(r"""[\s;&|<>()`'"\\]""")
_INNER_LIMIT = 256 * 1024
"""Characters of the words of a command line that are read as command lines."""


def normal(path: str) -> str:
    """The path without repeated slashes, `.`, `..` and a slash at its end; text that is no path stays as it is."""
    if "/" not in path:
        return path
    found = posixpath.normpath(path)
    return "/" + found.lstrip("/") if found.startswith("//") else found


def words(command: str) -> list[str]:
    """The words of a command line as a shell reads them, or separated by blanks if its quotes do not match."""
    found = _shell_words(command)
    return command.split() if found is None else found


def _shell_words(command: str) -> list[str] | None:
    if _QUOTES.isdisjoint(command):
        # The same words, found faster.
        return _PLAIN.findall(command)
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def _without_quotes(command: str) -> list[str]:
    return _PLAIN.findall(re.sub(r"""['"\\]""", "", command))


class PathWords(NamedTuple):
    """What in a command line may be a path, as it is written."""

    paths: list[str]
    is_complete: bool
    """Whether these are all."""


def path_words(command: str, base: str) -> PathWords:
    """What in a command line may be a path; relative words are those of `base`, if it is known.

    A word after `cd` is another base. A word is a path if it contains a slash; also a part of it after a sign such as
    `=` or `:`, and a part of a quoted text that is itself a command line.
    """
    if len(command) > _COMMAND_LIMIT:
        return PathWords([], is_complete=False)
    found: dict[str, None] = {}
    is_complete, size = True, 0
    # A word of one line may itself be a line, which is then read, too.
    left: list[tuple[str, tuple[str, ...]]] = [(command, (base,) if base else ())]
    lines = set(left)
    for line, bases in left:
        is_complete &= quoting.are_known(line)
        is_plain = _QUOTES.isdisjoint(line)
        for given in _readings(line):
            if line is command:
                is_complete &= len(given) <= WORDS_LIMIT
                del given[WORDS_LIMIT:]
            known = dict.fromkeys((*bases, *(("~",) if _HOME_OF.search(line) else ())))
            for path in _paths_of(given, known, is_plain=is_plain):
                found[path] = None
                linked = kernel_links.target(path)
                while linked is not None and linked.path is not None:
                    found[linked.path] = None
                    linked = kernel_links.target(linked.path)
                is_complete &= linked is None
                if len(found) > PATHS_LIMIT:
                    return PathWords(list(found)[:PATHS_LIMIT], is_complete=False)
            for word in () if is_plain else filter(_LINE_SIGNS.search, given):
                inner = (word, tuple(known))
                if inner not in lines:
                    lines.add(inner)
                    left.append(inner)
                    size += len(word)
            if size > _INNER_LIMIT:
                return PathWords(list(found), is_complete=False)
    return PathWords(list(found), is_complete)


def _readings(command: str) -> Iterator[list[str]]:
    """The words of a command line in each way to read its quotes: one in a comment begins no text, for a shell."""
    for one in quoting.readings(command):
        exact = _shell_words(one)
        yield one.split() if exact is None else exact
        if _QUOTES.isdisjoint(one):
            continue
        uncommented = quoting.without_comments(one)
        if uncommented != one or exact is None:
            yield words(uncommented)
            yield _without_quotes(one)
        elif any(not _QUOTES.isdisjoint(word) for word in exact):
            # Quotes inside of quotes: the shell that executes the text removes them.
            yield _without_quotes(one)


def _paths_of(given: list[str], bases: dict[str, None], *, is_plain: bool) -> Iterator[str]:
    """What in the words may be a path, below each of the bases, too; adds the bases that are in the words.

    `is_plain`: whether there are no quotes, so that a word which is a separator is one for the shell, too.
    """
    current = next(reversed(bases), "")
    seen: set[tuple[str, int]] = set()
    bases |= dict.fromkeys(_given_bases(given))
    has_editor = any(posixpath.basename(word) in _EDITORS for word in given)
    for earlier, before, word in zip(["", "", *given], ["", *given], given, strict=False):
        if before in _BASE_WORDS or (before.startswith("-") and before.endswith(("cd", "pushd"))):
            is_absolute = word.startswith(("/", "~", "$"))
            current = word if is_absolute or not current else f"{current}/{word}"
            bases[current] = None
        if is_plain and not word.strip("/") and before.endswith((";", "&", "|", "(")) and not earlier.endswith("="):
            continue
        if (word, len(bases)) in seen:
            continue
        seen.add((word, len(bases)))
        parts = (word,) if word.isalnum() else dict.fromkeys((word, *filter(None, _parts(word))))
        for part in parts:
            if part.startswith(("/", "~", "$")) or "/" in part:
                yield part
            if not part.startswith(("/", "~", "-")):
                yield from (f"{one}/{part}" for one in bases)
            elif part.startswith("-"):
                # The value of an option that is written together with it, as in `-o/etc/x`.
                yield from (part[part.index(sign) :] for sign in "/~$" if sign in part)
            if has_editor:
                yield from (part[one.end() :] for one in _EDITED.finditer(part))


def _given_bases(given: list[str]) -> Iterator[str]:
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


def _parts(word: str) -> list[str]:
    return _PARTS.split(_CALLED_ROOT.sub("", word) if "/" in word else word)


def known_part(path: str) -> str | None:
    """The directory before the first part that a shell expands, or None if there is none.

    Of the first part of an absolute path, it is what is written of it and `*`. Where `..` may follow, it is `/`.
    """
    found = _EXPANDED.search(path)
    if found is None:
        return None
    folder, _, name = path[: found.start()].rpartition("/")
    if not path.startswith("/"):
        return folder
    if _UPWARDS.search(path, max(found.start() - 2, 0)):
        return "/"
    folder = normal(f"{folder}/")
    return folder if folder != "/" else f"/{name}*"


def beginning(tree: str) -> str:
    """What every path below that one begins with; one that ends with `*` is not known further than that."""
    return tree[:-1] if tree.endswith("*") else tree.rstrip("/") + "/"


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
    if all(len(line) <= _COMMAND_LIMIT for line in lines) and not any(map(_may_join, given)):
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
    if len(command) > _COMMAND_LIMIT or not quoting.are_known(command):
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
            if not _QUOTES.isdisjoint(one):
                texts += [line for line in islice(_lines_in_words(given, starts), _LINES_LIMIT) if line not in texts]
    return found


def _commands_of(command: str) -> Iterator[list[str]]:
    """The words of each command of a command line, in each way to read it."""
    readings = quoting.readings(command)
    for one in dict.fromkeys(part for text in readings for by in (_OPERATORS, _GROUPS) for part in by.split(text)):
        exact = _shell_words(one)
        if exact is not None:
            yield exact
        else:
            # A part of a text in quotes, which may be the command line of `sh -c`.
            yield from (one.split(), _without_quotes(one))
    for one in readings:
        # A sign in quotes does not separate.
        exact = None if _QUOTES.isdisjoint(one) else _shell_words(one.replace("\n", ";"))
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
        elif wrapper and word.startswith("-"):
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
    letters = len(word[1:].split(" ", 1)[0])
    yield from (word[at:] for at in range(2, min(letters, _OPTIONS_LIMIT) + 2))


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
