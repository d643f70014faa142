"""Paths in parameters and in command lines, in normal form. Pure: what only the host knows is passed in."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.gate.policy import directories, kernel_links, quoting, shell_words

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS_LIMIT = 2000
"""Words of one command line that are compared as paths."""
PATHS_LIMIT = 400
"""Paths of one call that are compared, and resolved on the host."""
_EDITORS = frozenset({"sed", "gsed", "ssed", "ed", "red", "ex", "vi", "vim", "nvim"})
"""Programs with commands that a path may follow without a blank, as in `w/etc/x` and `s/a/b/w/etc/x`."""
_EDITED = re.compile(r"(?<![A-Za-z])[gpiIMme\d]*[wWrR](?=[^/\s]*/+[^/\s])")
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
    if len(command) > shell_words.LINE_LIMIT:
        return PathWords([], is_complete=False)
    found: dict[str, None] = {}
    is_complete, size = True, 0
    sets_search = are_searched = False
    # A word of one line may itself be a line, which is then read, too.
    left: list[tuple[str, tuple[str, ...]]] = [(command, (base,) if base else ())]
    lines = set(left)
    for line, bases in left:
        is_complete &= quoting.are_known(line)
        is_plain = shell_words.QUOTES.isdisjoint(line)
        for given in _readings(line):
            if line is command:
                is_complete &= len(given) <= WORDS_LIMIT
                del given[WORDS_LIMIT:]
            sets_search |= directories.sets_search(given)
            are_searched |= directories.are_searched(given)
            known = dict.fromkeys((*bases, *(("~",) if directories.goes_home(line) else ())))
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
    # What `cd` finds in a list of directories may be anywhere.
    return PathWords(list(found), is_complete and not (sets_search and are_searched))


def _readings(command: str) -> Iterator[list[str]]:
    """The words of a command line in each way to read its quotes: one in a comment begins no text, for a shell."""
    for one in quoting.readings(command):
        exact = shell_words.exact(one)
        yield one.split() if exact is None else exact
        if shell_words.QUOTES.isdisjoint(one):
            continue
        uncommented = quoting.without_comments(one)
        if uncommented != one or exact is None:
            yield shell_words.words(uncommented)
            yield shell_words.without_quotes(one)
        elif any(not shell_words.QUOTES.isdisjoint(word) for word in exact):
            # Quotes inside of quotes: the shell that executes the text removes them.
            yield shell_words.without_quotes(one)


def _paths_of(given: list[str], bases: dict[str, None], *, is_plain: bool) -> Iterator[str]:
    """What in the words may be a path, below each of the bases, too; adds the bases that are in the words.

    `is_plain`: whether there are no quotes, so that a word which is a separator is one for the shell, too.
    """
    current = [next(reversed(bases), "")]
    seen: set[tuple[str, int]] = set()
    bases |= dict.fromkeys(directories.named(given))
    has_editor = any(posixpath.basename(word) in _EDITORS for word in given)
    for earlier, before, word in zip(["", "", *given], ["", *given], given, strict=False):
        if directories.is_named_after(before):
            folder = "." if word == "-" else directories.below_current(word)
            origins = [*bases, ""] if directories.is_earlier(word) else current
            is_absolute = folder.startswith(("/", "~", "$"))
            current = [folder] if is_absolute else [f"{one}/{folder}" if one else folder for one in origins]
            bases |= dict.fromkeys(current)
        if is_plain and not word.strip("/") and before.endswith((";", "&", "|", "(")) and not earlier.endswith("="):
            continue
        if (word, len(bases)) in seen:
            continue
        seen.add((word, len(bases)))
        parts = (word,) if word.isalnum() else dict.fromkeys((word, *filter(None, _parts(word))))
        for part in map(directories.below_current, parts):
            if part.startswith(("/", "~", "$")) or "/" in part:
                yield part
            if not part.startswith(("/", "~", "-")):
                yield from (f"{one}/{part}" for one in bases)
            elif part.startswith("-"):
                # The value of an option that is written together with it, as in `-o/etc/x` and `-t../x`.
                yield from (part[part.index(sign) :] for sign in "/~$" if sign in part)
                for value in _glued(part):
                    if "/" in value:
                        yield value
                    yield from (f"{one}/{value}" for one in bases)
            if has_editor:
                edited = [part[one.end() :] for one in _EDITED.finditer(part)]
                yield from edited
                yield from (f"{one}/{path}" for path in edited if not path.startswith("/") for one in bases)


def _glued(word: str) -> Iterator[str]:
    """The relative paths that may be written together with options in one word, however many options there are."""
    if word.startswith("--"):
        return
    slash = word.find("/")
    end = slash if slash >= 0 else min(shell_words.end_of_options(word) + 1, len(word))
    yield from (word[at:] for at in range(2, end))


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
