"""What an action would change on its host, as a text for people: a unified difference, and lines about attributes.

Pure. The input is the result of the module in check mode. Secrets are removed from each side before the sides are
compared: a line of a difference could show a part of one that is not recognized alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from ftl2_enterprise.core.quoted_names import escaped, file_name
from ftl2_enterprise.core.shorten import shorten

LONGEST = 20_000
"""Characters of a text."""
LONGEST_LINE = 500
MOST_LINES = 5_000
"""Lines of one side, between the equal ones at both ends, that are compared: the time grows with their square."""
CONTEXT = 3
MOST_PATHS = 50
"""Paths that are listed if a directory would be removed."""
NOTHING = "nothing would change"

_SIDES = frozenset({"path", "size", "content", "hidden", "path_content"})
"""Keys of a side that are not attributes of the file."""

type Side = Mapping[str, Any]


def text_of(output: Mapping[str, Any], params: Mapping[str, Any], redact: Callable[[str], str]) -> str:
    """The text for a result of `copy`, `template` or `file` in check mode; never empty."""
    lines = list(_lines(output, params, redact)) if output.get("changed") else [NOTHING]
    if output.get("note"):
        lines.append(escaped(f"note: {redact(str(output['note']))}"))
    return limited("\n".join(shorten(line, LONGEST_LINE) for line in lines), LONGEST)


def limited(text: str, limit: int) -> str:
    """The text; one that is longer than the limit with a line about what is left out instead of its end."""
    if len(text) <= limit:
        return text
    kept = text[:limit].rpartition("\n")[0]
    left_out = text.count("\n") - kept.count("\n")
    return f"{kept}\n... and {left_out} more lines"


def _lines(output: Mapping[str, Any], params: Mapping[str, Any], redact: Callable[[str], str]) -> Iterator[str]:
    found: Any = output.get("diff")
    if not isinstance(found, Mapping):
        yield "not known: the module reports a change without its details"
        return
    diff = cast("Mapping[str, Any]", found)
    before = _side(diff.get("before"))
    after = _side(diff.get("after")) or {}
    path = redact(str(diff.get("path") or after.get("path") or output.get("path") or ""))
    is_new = before is None or before.get("state") == "absent"
    attributes = {name: value for name, value in after.items() if name not in _SIDES}
    if is_new:
        given = {name: params[name] for name in ("mode", "owner", "group") if params.get(name) not in (None, "")}
        attributes = {**attributes, **{name: value for name, value in given.items() if name not in attributes}}
    was = before or {}
    for name, value in attributes.items():
        if was.get(name) != value:
            yield escaped(redact(f"{name}: {was.get(name, 'none')} -> {value}"))
    if "size" in after:
        yield from _content(before, after, path, redact, is_same=bool(diff.get("same_content")))
    yield from _removed(was, redact)


def _side(value: Any) -> Side | None:
    return cast("Side", value) if isinstance(value, Mapping) else None


def _content(
    before: Side | None, after: Side, path: str, redact: Callable[[str], str], *, is_same: bool
) -> Iterator[str]:
    if is_same:
        return
    hidden = after.get("hidden") or (before or {}).get("hidden")
    if hidden:
        yield escaped(f"content: {_sizes(before, after)}, not shown: {hidden}")
        return
    old = None if before is None else redact(str(before.get("content", "")))
    new = redact(str(after.get("content", "")))
    if old == new:
        yield "content: only what is hidden as a secret differs"
    elif not new and old is None:
        yield "content: none -> empty"
    else:
        yield from _unified(old, new, path)


def _sizes(before: Side | None, after: Side) -> str:
    """The sizes of both sides; without them if one is withheld."""
    if after.get("size") is None or (before is not None and before.get("size") is None):
        return "new" if before is None else "differs"
    was = "none" if before is None else f"{before['size']} bytes"
    return f"{was} -> {after['size']} bytes"


def _unified(old: str | None, new: str, path: str) -> Iterator[str]:
    sides = _numbered(old or ""), _numbered(new)
    same_start = _equal(*sides)
    same_end = _equal(sides[0][same_start:][::-1], sides[1][same_start:][::-1])
    if max(len(side) - same_start - same_end for side in sides) > MOST_LINES:
        yield f"content: {len(sides[0])} lines -> {len(sides[1])} lines, too many of them differ to compare them"
        return
    yield "--- /dev/null" if old is None else f"--- {file_name(path)}"
    yield f"+++ {file_name(path)}"
    first = max(0, same_start - CONTEXT)
    last = max(0, same_end - CONTEXT)
    parts = [side[first : len(side) - last] for side in sides]
    # The context at both ends is compared by its place. Otherwise a line equal to it could be removed in its stead at
    # the end of a difference, which patch(1) then takes for the end of the file.
    start, end = range(same_start - first), range(last - same_end, 0)
    keys: list[list[int | str]] = [[*start, *side[same_start : len(side) - same_end], *end] for side in sides]
    for group in difflib.SequenceMatcher(None, *keys, autojunk=False).get_grouped_opcodes(CONTEXT):
        yield _hunk(group, first)
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (f" {line}" for line in parts[0][i1:i2])
                continue
            yield from (f"-{line}" for line in parts[0][i1:i2])
            yield from (f"+{line}" for line in parts[1][j1:j2])


def _numbered(text: str) -> list[str]:
    """The lines; a last one without its line break is another line than one that has it."""
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def _equal(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines at the beginning are equal."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _hunk(group: Sequence[tuple[str, int, int, int, int]], offset: int) -> str:
    def place(start: int, end: int) -> str:
        # An empty range names the line before it; a range of one line has no length.
        length = end - start
        at = start + offset + (1 if length else 0)
        return str(at) if length == 1 else f"{at},{length}"

    return f"@@ -{place(group[0][1], group[-1][2])} +{place(group[0][3], group[-1][4])} @@"


def _removed(before: Side, redact: Callable[[str], str]) -> Iterator[str]:
    """What a directory contains that would be removed."""
    content = _side(before.get("path_content"))
    if content is None:
        return
    if content.get("hidden"):
        yield escaped(f"- what is below it, not shown: {content['hidden']}")
        return
    paths = [str(one) for kind in ("directories", "files") for one in content.get(kind) or ()]
    yield from (f"- {file_name(redact(path))}" for path in sorted(paths)[:MOST_PATHS])
    if len(paths) > MOST_PATHS:
        yield f"... and {len(paths) - MOST_PATHS} more"
