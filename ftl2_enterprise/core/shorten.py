"""Shortening of texts to a limit, in characters. Columns of a terminal are the business of `render.text`."""

from __future__ import annotations


def shorten(text: str, limit: int) -> str:
    """The text; one that is longer than `limit` without its end, which three dots replace."""
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def shorten_line(text: str, limit: int) -> str:
    """The text on one line, with each run of white space as one space, shortened to `limit`."""
    return shorten(" ".join(text.split()), limit)


def shorten_middle(text: str, limit: int) -> str:
    """The text; one that is longer than `limit` as its beginning and its end with a line between them.

    The line has the number of characters left out. For output and tracebacks, whose ends matter most.
    """
    if len(text) <= limit:
        return text
    tail = limit // 4
    head = limit - tail
    left_out = len(text) - head - tail
    return f"{text[:head]}\n... {left_out:,} of {len(text):,} characters left out ...\n{text[len(text) - tail :]}"
