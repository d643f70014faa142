"""Finds what is left of known secrets where a text was shortened: a beginning before it, or an end after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "[redacted]"

MIN_PART = 4
"""Characters of the beginning or the end of a secret that are masked."""

_CUTS = re.compile(
    r"\n\[\d+ more bytes were not kept\]"
    r"|(?:\n|\\{1,16}n)?\.\.\.(?= [\d,]+ of [\d,]+ characters left out|[\s\"'\])}]|\Z)"
)
"""What marks the place; the line break before it may be escaped."""
_CONTINUES = re.compile(r" [\d,]+ of [\d,]+ characters left out \.\.\.(?:\n|\\+n)")
"""The rest of a mark after which the end of the text follows; the line break may be escaped."""


def has_cut(text: str) -> bool:
    """Whether the text may have been shortened."""
    return "..." in text or "more bytes were not kept]" in text


def mask_cuts(text: str, forms: Sequence[str], longest: int) -> str:
    """The text with a mask in place of a part of a form, next to each place where the text was shortened.

    No form has more than `longest` characters.
    """
    pieces: list[str] = []
    position = 0
    for cut in _CUTS.finditer(text):
        if cut.start() < position:  # the second dots of a mark
            continue
        kept = text[position : cut.start()]
        size = _beginning_at_end(kept, forms)
        pieces += [kept[: len(kept) - size], MASK if size else "", cut.group()]
        position = cut.end()
        if (mark := _CONTINUES.match(text, position)) is not None:
            size = _end_at_beginning(text[mark.end() : mark.end() + longest], forms)
            pieces += [mark.group(), MASK if size else ""]
            position = mark.end() + size
    return "".join([*pieces, text[position:]])


def _beginning_at_end(text: str, forms: Sequence[str]) -> int:
    """Length of the longest beginning of a form with which the text ends; 0 if it is short."""
    last = text[-MIN_PART:]
    longest = 0
    if len(last) < MIN_PART:
        return 0
    for form in forms:
        start = form.rfind(last)
        while start >= 0 and start + MIN_PART > longest:
            if text.endswith(form[: start + MIN_PART]):
                longest = start + MIN_PART
                break
            start = form.rfind(last, 0, start + MIN_PART - 1)
    return longest


def _end_at_beginning(text: str, forms: Sequence[str]) -> int:
    """Length of the longest end of a form with which the text begins; 0 if it is short."""
    first = text[:MIN_PART]
    longest = 0
    if len(first) < MIN_PART:
        return 0
    for form in forms:
        start = form.find(first)
        while start >= 0 and len(form) - start > longest:
            if text.startswith(form[start:]):
                longest = len(form) - start
                break
            start = form.find(first, start + 1)
    return longest
