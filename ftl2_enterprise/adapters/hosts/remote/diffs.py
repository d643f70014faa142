"""Differences of files as texts of limited length."""

from __future__ import annotations

import difflib
from typing import Any

LONGEST = 20_000
"""Characters of a text or a difference that are kept."""
MOST_COMPARED = 1 << 20
"""Bytes of a file that is compared line by line: the time grows with the square of the lines."""


def shown(content: bytes | None, status: dict[str, Any]) -> dict[str, Any]:
    """One side of a difference: the text if it is one, and mode and owner."""
    text = None if content is None else _text(content)
    size = {} if content is None else {"size": len(content)}
    kept = {} if text is None else {"content": text[:LONGEST], "truncated": len(text) > LONGEST}
    mode = {"mode": f"{status['mode']:04o}"} if "mode" in status else {}
    return {**size, **kept, **{key: status[key] for key in ("uid", "gid") if key in status}, **mode}


def unified(old: bytes | None, new: bytes, before: dict[str, Any], after: dict[str, Any], *, name: str) -> str:
    """The difference in the unified format, with lines about what is not text, and about mode and owner."""
    lines: list[str] = []
    for key, label in (("mode", "mode"), ("uid", "owner"), ("gid", "group")):
        if key in after and before.get(key) != after[key] and (old is not None or key != "uid"):
            form = "{:04o}".format if key == "mode" else str
            was = form(before[key]) if key in before else "none"
            lines.append(f"{label}: {was} -> {form(after[key])}\n")
    if old != new:
        lines.extend(_content(old, new, name))
    text = "".join(lines)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... truncated\n"


def _content(old: bytes | None, new: bytes, name: str) -> list[str]:
    texts = ("" if old is None else _text(old)), _text(new)
    if texts[0] is None or texts[1] is None:
        return [f"content: {0 if old is None else len(old)} bytes -> {len(new)} bytes, not text\n"]
    if len(old or b"") + len(new) > MOST_COMPARED:
        return [f"content: {0 if old is None else len(old)} bytes -> {len(new)} bytes, too large to compare\n"]
    found = difflib.unified_diff(
        texts[0].splitlines(keepends=True), texts[1].splitlines(keepends=True),
        "/dev/null" if old is None else name, name, n=3,
    )  # fmt: skip
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found]


def _text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
