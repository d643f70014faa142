"""What writing a file would change: both sides of it, as far as they may be shown."""

from __future__ import annotations

import grp
import pwd
from typing import Any

SHOWN = 20_000
"""Bytes of a text that is part of an observation."""
COMPARED = 1 << 18
"""Bytes of a text that is compared line by line by the caller."""
PRIVATE = "other users cannot read the file"


def changes(
    path: str,
    before: dict[str, int] | None,
    after: dict[str, int],
    old: bytes | None,
    new: bytes,
    *,
    is_same: bool,
    limit: int,
) -> dict[str, Any]:
    """Both sides; `before` is None if there is no file yet, `old` if it is too large to be read.

    The content of a file that other users cannot read is on neither side: who reads the difference is another user.
    """
    is_private = any(not one["mode"] & 0o004 for one in (before, after) if one and "mode" in one)
    found: dict[str, Any] = {"path": path, "same_content": is_same}
    found["before"] = None if before is None else _side(old, before, limit, is_private=is_private)
    found["after"] = _side(new, {**after, "size": len(new)}, limit, is_private=is_private)
    return found


def _side(content: bytes | None, status: dict[str, int], limit: int, *, is_private: bool) -> dict[str, Any]:
    side: dict[str, Any] = {"size": status["size"]}
    if "mode" in status:
        side["mode"] = f"{status['mode']:04o}"
    if "uid" in status:
        side["owner"] = _name(status["uid"], pwd.getpwuid)
    if "gid" in status:
        side["group"] = _name(status["gid"], grp.getgrgid)
    text = None if content is None else _text(content)
    if is_private:
        side["hidden"] = PRIVATE
    elif content is None or len(content) > limit:
        side["hidden"] = "it is too large"
    elif text is None:
        side["hidden"] = "it is not text"
    else:
        side["content"] = text
    return side


def _name(number: int, find: Any) -> str:
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def _text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
