"""The conditions of all rules of a policy by key: finds at once which keys no rule can match an effect with. Pure.

A verdict compares an effect with every rule, and usually none matches. All patterns of one key are compared together,
as one regular expression; only rules of which every key may match are compared one by one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from fnmatch import translate
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

from ftl2_enterprise.gate.policy.paths import beginning
from ftl2_enterprise.gate.policy.spellings import truth_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl2_enterprise.gate.policy.pattern import Pattern


class Compared(NamedTuple):
    """What the patterns of a key are compared with."""

    texts: Iterable[str] = ()
    parents: Sequence[str] = ()
    """Paths below which something matches, too."""
    is_complete: bool = True
    """Whether nothing else can match; otherwise, every pattern has to be compared."""


@final
class KeyIndex:
    """All patterns of one key."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns

    def may_match(self, found: Compared) -> bool:
        """Whether one of the patterns may match. False is certain."""
        if not found.is_complete:
            return True
        texts = frozenset(found.texts)
        return (
            not self._literals.isdisjoint(texts)
            or any(map(self._matches_a_glob, texts))
            or any(map(self._has_below, found.parents))
        )

    @cached_property
    def _spelled(self) -> list[Pattern]:
        return [
            one
            for pattern in self._patterns
            for one in (pattern, pattern.as_path, pattern.as_lower, pattern.as_python_name)
        ]

    @cached_property
    def _literals(self) -> frozenset[str]:
        more = (text for pattern in self._patterns for text in (*pattern.as_mode, *pattern.as_user))
        truths = filter(None, (truth_of(pattern.text) for pattern in self._patterns))
        return frozenset((*(one.text for one in self._spelled if one.is_literal), *more, *truths))

    @cached_property
    def _globs(self) -> Mapping[str, Mapping[str, re.Pattern[str]]]:
        """The globs by the text before their first wildcard, then by their longest part without one.

        Those of which both are the same are one regular expression.
        """
        found: dict[str, dict[str, dict[str, None]]] = {}
        for one in self._spelled:
            if not one.is_literal:
                found.setdefault(one.fixed, {}).setdefault(_longest_part(one), {})[one.text] = None
        return {
            fixed: {part: re.compile("|".join(map(translate, globs))) for part, globs in by_part.items()}
            for fixed, by_part in found.items()
        }

    @cached_property
    def _lengths(self) -> Sequence[int]:
        return sorted({len(fixed) for fixed in self._globs})

    def _matches_a_glob(self, text: str) -> bool:
        globs = self._globs
        for length in self._lengths:
            by_part = globs.get(text[:length])
            if by_part is not None and any(part in text and glob.match(text) for part, glob in by_part.items()):
                return True
        return False

    @cached_property
    def _fixed(self) -> list[str]:
        return sorted(pattern.as_path.fixed for pattern in self._patterns)

    def _has_below(self, tree: str) -> bool:
        """Whether a pattern begins with a path below that one, or names it as a directory with a wildcard."""
        prefix = beginning(tree)
        at = bisect_left(self._fixed, prefix)
        if at < len(self._fixed) and self._fixed[at].startswith(prefix):
            return True
        return any(one.is_below(tree) for one in self._with_directories)

    @cached_property
    def _with_directories(self) -> list[Pattern]:
        return [pattern.as_path for pattern in self._patterns if pattern.as_path.directories]


def _longest_part(glob: Pattern) -> str:
    """The longest text that everything contains which the glob matches."""
    return glob.fixed if "[" in glob.text else max(re.split(r"[*?]", glob.text), key=len)


def by_key(conditions: Iterable[tuple[str, Pattern]]) -> Mapping[str, KeyIndex]:
    """The patterns of each key."""
    found: dict[str, list[Pattern]] = {}
    for key, pattern in conditions:
        found.setdefault(key, []).append(pattern)
    return {key: KeyIndex(patterns) for key, patterns in found.items()}
