"""Texts that consist of sentences, separated by `; `."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEPARATOR = "; "


def listed(words: Sequence[str]) -> str:
    """The words as a part of a sentence: `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def without_repeats(texts: Iterable[str]) -> list[str]:
    """The texts in order, each without the sentences that earlier ones have; a text without any other is left out."""
    known: set[str] = set()
    found: list[str] = []
    for text in texts:
        fresh = [one for one in dict.fromkeys(text.split(SEPARATOR)) if one and one not in known]
        known.update(fresh)
        if fresh:
            found.append(SEPARATOR.join(fresh))
    return found
