"""Shortens values until their JSON fits a limit, and marks what was left out. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.shorten import shorten_middle

TEXT_STEPS = (8_000, 4_000, 2_000, 1_000, 500, 200, 80)
"""Lengths to which the texts in a value are shortened, one after the other, until it fits."""
ITEM_STEPS = (1_000, 200, 100, 50, 20, 10, 5)
"""Items of a list or mapping that are kept at the same step."""


def encode(value: Any) -> str:
    """JSON on one line with `<` and `>` escaped: a text from a host cannot end the section that quotes it."""
    try:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    except (ValueError, OverflowError):  # half of a surrogate pair, or a number beyond 64 bits
        text = json.dumps(value, default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def digest(value: Any, limit: int) -> str:
    """The value as JSON of at most about `limit` characters."""
    text = encode(value)
    if len(text) <= limit:
        return text
    for texts, items in zip(TEXT_STEPS, ITEM_STEPS, strict=True):
        if texts <= limit and len(text := encode(_trim(value, texts, items, depth=0))) <= limit:
            return text
    # Neither long texts nor long lists: shorten the JSON itself and encode it as a text.
    return encode(shorten_middle(text.replace("\\u003c", "<").replace("\\u003e", ">"), max(limit * 2 // 3, 40)))


def _trim(value: Any, texts: int, items: int, *, depth: int) -> Any:
    match value:
        case str():
            return shorten_middle(value, texts)
        case Mapping():
            pairs = list(cast("Mapping[Any, Any]", value).items())
            kept = {
                shorten_middle(str(key), 200): _trim(item, texts, items, depth=depth + 1)
                for key, item in pairs[:items]
            }
            return kept | ({"[left out]": f"{len(pairs) - items:,} further keys"} if len(pairs) > items else {})
        case list() | tuple():
            listed = cast("Sequence[Any]", value)
            kept_items = [_trim(item, texts, items, depth=depth + 1) for item in listed[:items]]
            return (
                [*kept_items, f"[{len(listed) - items:,} further items left out]"]
                if len(listed) > items
                else kept_items
            )
        case _:
            return value


def fit(values: Sequence[Any], *, each: int, whole: int, least: int = 160) -> tuple[list[str], int]:
    """The values as JSON, each within `each` and all within `whole` characters, and the number left out at the end.

    If they do not fit, all are shortened to at least `least` characters before any is left out.
    """
    if not values:
        return [], 0
    share = each
    texts = [digest(value, share) for value in values]
    while sum(map(len, texts)) > whole and share > least:
        share = max(share // 2, least)
        texts = [digest(value, share) for value in values]
    kept: list[str] = []
    room = whole
    for text in texts:
        if len(text) > room:
            break
        kept.append(text)
        room -= len(text)
    return kept, len(texts) - len(kept)
