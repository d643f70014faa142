"""Whether a pattern of a policy and a word with wildcards of a shell may mean the same path. Pure."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

TOKENS_LIMIT = 2000
"""Signs and wildcards of all words of one call that are compared."""

_WILDCARD = re.compile(r"[*?\[$`]|\{[^{}]*\.\.")
_EXPANSION = r"\{[^{}]*\.\.[^{}]*\}|\$\{[^}]*+\}?+|\$\(.*|\$\w+|\$[^/\w]?|`.*"
_WORD = re.compile(
    rf"(?P<any>{_EXPANSION})|(?P<across>\[[^\]]*/[^\]]*\])|(?P<some>\[[^/]*[\[\\\]][^/]*\])|(?P<set>\[[!^]?\]?[^\]/]*\])|(?P<one>.)",
    re.DOTALL,
)
"""What a shell replaces by any text, a set with a slash (one character; shells leave it, `find -path` does not), what
a shell replaces by some characters (a set with a class or an escape, and what is between two sets), by one character,
or leaves; `*` and `?` are among the last."""
_ACROSS = "[/]"
_ONLY_EXPANSIONS = re.compile(rf"(?:{_EXPANSION}|/)*+", re.DOTALL)
_PATTERN = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)


def is_expanded(word: str) -> bool:
    """Whether a shell may replace a part of the word, so that it names other files. One with blanks is in quotes."""
    return (
        _WILDCARD.search(word) is not None
        and _ONLY_EXPANSIONS.fullmatch(word) is None
        and not any(map(str.isspace, word))
    )


def size(word: str) -> int:
    """How many signs and wildcards the word has."""
    return len(_tokens(word))


class _Automaton(NamedTuple):
    """The positions of a pattern as bits: a position is reached when everything before it has matched."""

    end: int
    stars: int
    singles: tuple[tuple[int, re.Pattern[str]], ...]
    """The positions that one character follows, each with what matches it."""
    single: int
    """All of these positions."""
    no_slash: int
    """Those of them at which something else than a slash matches."""

    def closed(self, states: int) -> int:
        """With the positions after a `*`, which matches nothing, too."""
        return states | (states & self.stars) << 1

    def after(self, states: int, matching: int) -> int:
        """The positions after one character, which matches at these positions."""
        return self.closed((states & self.stars) | (states & matching) << 1)


def may_share(pattern: str, word: str) -> bool:
    """Whether a path may match the pattern, in which `*` matches slashes, and the word, in which it does not."""
    of = _automaton(pattern)
    states = of.closed(1)
    for token in _tokens(word):
        if token in {"", "*"}:
            matching, more = of.single if token == "" else of.no_slash, states
            while more != (more := more | of.after(more, matching)):
                pass
            states = more
        elif token == _ACROSS:
            states = of.after(states, of.single)
        elif token == "?" or len(token) > 1:
            states = of.after(states, of.no_slash)
        else:
            matching = sum(bit for bit, one in of.singles if one.fullmatch(token))
            states = of.after(states, matching)
        if not states:
            return False
    return bool(states & of.end)


@lru_cache(4096)
def _automaton(pattern: str) -> _Automaton:
    tokens = _PATTERN.findall(pattern)
    stars = sum(1 << at for at, token in enumerate(tokens) if token.startswith("*"))
    singles = tuple((1 << at, _one(token)) for at, token in enumerate(tokens) if not token.startswith("*"))
    slashes = sum(1 << at for at, token in enumerate(tokens) if token == "/")
    single = sum(bit for bit, _ in singles)
    return _Automaton(1 << len(tokens), stars, singles, single, single & ~slashes)


def _one(token: str) -> re.Pattern[str]:
    if token == "?":
        return re.compile(r"(?s:.)")
    if len(token) == 1:
        return re.compile(re.escape(token))
    return re.compile(translate(token))


def _tokens(word: str) -> list[str]:
    """One for each part: the empty text for what may be any text, a sign, or a wildcard."""
    return [
        ""
        if found["any"] is not None
        else _ACROSS
        if found["across"] is not None
        else "*"
        if found["some"] is not None
        else found[0]
        for found in _WORD.finditer(word)
    ]
