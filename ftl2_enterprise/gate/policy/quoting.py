"""The ways in which a shell may read the quotes and escapes of a command line. Pure."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\n")
_COMMENT = re.compile(r"""('[^']*'|"(?:\\.|[^"\\])*"|\\.#*)|(?:^|(?<=[\s;&|()<>`]))#[^\n]*""", re.DOTALL)
"""A comment of a shell; or, as its group, what can contain its sign."""
_DOLLAR_QUOTE = re.compile(r"""\$'((?:\\.|[^'\\])*)'|\$(?=")|('[^']*'|"(?:\\.|[^"\\])*"|\\.)""", re.DOTALL)
"""A text in `$'...'` (its content is the first group), the `$` of `$"..."`, or what is neither (the second group)."""
_ESCAPE = re.compile(
    rb"""\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([abeEfnrtv\\'"?]))"""
)
_PART = r"""(?:[^{}\s,"'\\]|\\.|"[^"]*"|'[^']*')*"""
_BRACES = re.compile(rf"\{{({_PART}(?:,{_PART})+)\}}", re.DOTALL)
"""The innermost of what bash and others replace by several words, as in `{rm,-r,/x}` and `r{m,}`."""
_BETWEEN_PARTS = re.compile(rf"{_PART}(?:,|\Z)", re.DOTALL)
_QUOTED = r"""[^()'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*\""""
_NESTED = reduce(lambda inner, _: rf"\((?:{_QUOTED}|{inner})*+\)", range(6), r"\(\)")
_EXTENDED = re.compile(rf"[?*+@!]{_NESTED}", re.DOTALL)
"""What bash with `extglob`, and ksh, replace by names of files, as `@(a|b)` and `!(x)`."""
_OPENED = re.compile(r"[?*+@!]\(")
_NAME = r"!?(?:\w+|[@*#?$!-])(?:\[[^\]{}]*\])?"
_REPLACING = r"//?(?:[^/{}\\]|\\.)*+/"
_WITH_WORD = re.compile(
    rf"""\$\{{{_NAME}(?::?[-=+?]|{_REPLACING})(?:((?:[^{{}}'"\\]|\\.|'[^']*'|"[^"]*")*+)\}}|([^{{}}]*+)\}})""",
    re.DOTALL,
)
"""The innermost expansion that may be replaced by a word in it, as `${x-word}` and `${x/y/word}`."""
_SUBSTITUTION = re.compile(rf"\${_NESTED}|`[^`]*`", re.DOTALL)
"""What is replaced by the output of a command."""
_EXPANSION = re.compile(r"""\$(?:\{[^{}]*\}|\w+|[@*?#$!-])(?:/+(?![^\s$`;&|()<>'"]))?""")
"""What may be replaced by nothing, or by blanks; with slashes of which nothing else would be left."""
_SPLITTING = re.compile(r"\s-(?:[A-Za-z0-9]*S|-s)")
"""The option `-S` of `env`, also as `--split-string`, which may be shortened."""
_BLANK_OF_ENV = re.compile(r"\\[_tnvfr]")
"""What it reads as a blank (manual of GNU coreutils, env: -S/--split-string syntax)."""
_WORD_ENDS = frozenset(" \t\r\n;&|()<>`'\"")
_SEQUENCE = re.compile(r"\{([A-Za-z])\.\.([A-Za-z])(?:\.\.[+-]?\d+)?\}")
_WORD = re.compile(r"""(?:[^\s;&|()<>`'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*"|['"\\])+""", re.DOTALL)
BRACES_LIMIT = 50
"""Braces of one command line that are replaced."""
_DEPTH_LIMIT = 20
"""How often what a replacement leaves is replaced again."""
_GROWTH_LIMIT = 64 * 1024
_NAMED = dict(zip(b"abeEfnrtv", b"\a\b\x1b\x1b\f\n\r\t\v", strict=True))


def without_comments(command: str) -> str:
    """The command line without what a shell takes for comments."""
    return _COMMENT.sub(lambda match: match[1] or "", command)


def readings(command: str) -> list[str]:
    """The command line as written, and as programs read it: continued lines, words in braces, `$'...'`, `env -S`.

    A pattern such as `@(a|b)` is `*` in one of them, so that blanks and parentheses in it separate no words. What is
    replaced by the output of a command is `$_` in one, `${x-word}` is its word, and any expansion is a blank.

    Each is compared in addition to the others, because a text in quotes may itself be a command line: then a line is
    continued, and an escape is replaced, where the outer shell does neither.
    """
    found = [command]
    if ".." in command and "{" in command:
        found.append(_SEQUENCE.sub(_listed, command))
    if "\\\n" in command:
        found += [_CONTINUED.sub(r"\1", one) for one in (command, without_comments(command))]
    for one in found.copy():
        if "$'" in one or '$"' in one:
            found += [_DOLLAR_QUOTE.sub(_unquoted, one), _plain(one)]
    for one in found.copy():
        if "{" in one and "," in one:
            found += [_without_braces(one, with_quotes=with_quotes)[0] for with_quotes in (False, True)]
        if "\\" in one and "env" in one and _SPLITTING.search(one):
            found.append(_BLANK_OF_ENV.sub(" ", one))
    for one in found.copy():
        if "(" in one:
            found.append(_without_patterns(one)[0])
    for one in found.copy():
        if "$" in one or "`" in one:
            found += _expanded(one)
    return list(dict.fromkeys(found))


def _listed(match: re.Match[str]) -> str:
    """A sequence of letters in braces as a list: `{a..c}` is `{a,b,c}`."""
    first, last = sorted(map(ord, match.groups()))
    letters = [chr(code) for code in range(first, last + 1)]
    return f"{{{','.join(letters if len(letters) > 1 else letters * 2)}}}"


def are_known(command: str) -> bool:
    """Whether the readings of the command line have every word that a shell makes of braces and patterns in it."""
    are_braces_known = (
        "{" not in command
        or "," not in command
        or all(_without_braces(command, with_quotes=with_quotes)[1] for with_quotes in (False, True))
    )
    are_patterns_known = "(" not in command or _without_patterns(command)[1]
    return are_braces_known and are_patterns_known and ("${" not in command or _with_words(command)[1])


def _expanded(command: str) -> Iterator[str]:
    with_words = _with_words(command)[0] if "${" in command else command
    yield with_words
    for one in dict.fromkeys((command, with_words)):
        substituted = _SUBSTITUTION.sub("$_", one)
        yield substituted
        yield _EXPANSION.sub(" ", substituted)


def _with_words(command: str) -> tuple[str, bool]:
    """The command line with the words of expansions in place of these, and whether these are all."""
    for _ in range(_DEPTH_LIMIT):
        command, count = _WITH_WORD.subn(lambda match: match[1] or match[2] or "", command)
        if not count:
            return command, True
    return command, _WITH_WORD.search(command) is None


def _without_patterns(command: str) -> tuple[str, bool]:
    """The command line with `*` for each pattern that has alternatives, and whether these are all."""
    for _ in range(_DEPTH_LIMIT):
        command, count = _EXTENDED.subn(_any, command)
        if not count:
            break
    opened = _OPENED.search(command)
    return command, opened is None or ")" not in command[opened.end() :]


def _any(match: re.Match[str]) -> str:
    # One with a dot may be a part of `..`.
    return ".*" if "." in match[0] else "*"


def _without_braces(command: str, *, with_quotes: bool) -> tuple[str, bool]:
    """The command line with the words that a shell makes of braces, and whether these are all.

    `with_quotes`: whether quotes are a part of a word, as they are for a shell, or the line is a text in quotes.
    """
    most = len(command) + _GROWTH_LIMIT
    for _ in range(BRACES_LIMIT):
        found = _BRACES.search(command)
        if found is None:
            return command, True
        before, after = found.start(), found.end()
        if with_quotes:
            word = next((one for one in _WORD.finditer(command) if one.end() >= after), None)
            before, after = (min(before, word.start()), word.end()) if word is not None else (before, after)
        else:
            while before and command[before - 1] not in _WORD_ENDS:
                before -= 1
            while after < len(command) and command[after] not in _WORD_ENDS:
                after += 1
        head, tail = command[before : found.start()], command[found.end() : after]
        parts = [part.removesuffix(",") for part in _BETWEEN_PARTS.findall(found[1])]
        words = " ".join(f"{head}{part}{tail}" for part in parts[:-1] if part or head or tail)
        command = f"{command[:before]}{words}{command[after:]}"
        if len(command) > most:
            return command, False
    return command, _BRACES.search(command) is None


def _unquoted(match: re.Match[str]) -> str:
    content = match[1]
    if content is None:
        return match[2] or ""
    # A shell ends such a text where a NUL is.
    return "'" + _decoded(content).partition("\0")[0].replace("'", "'\\''") + "'"


def _plain(text: str) -> str:
    """The text with every escape replaced, and without quotes, wherever they are."""
    ended = re.sub("\0[^']*", "", _decoded(text))
    return re.sub(r"""\$?['"]|\\""", "", ended)


def _decoded(text: str) -> str:
    """The text with the escapes of `$'...'` replaced (bash manual, ANSI-C Quoting)."""
    return _ESCAPE.sub(_character, text.encode(errors="replace")).decode(errors="replace")


def _character(match: re.Match[bytes]) -> bytes:
    hexadecimal, octal, short, long, name = match.groups()
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if name is not None:
        return bytes([_NAMED.get(name[0], name[0])])
    number = int(short or long, 16)
    return chr(number).encode(errors="replace") if number <= 0x10FFFF else b""
