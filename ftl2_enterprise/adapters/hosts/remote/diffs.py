"""What writing a file would change: both sides of it, as far as they may be shown."""

from __future__ import annotations

import grp
import os
import pwd
from typing import Any

SHOWN = 20_000
"""Bytes of a text that is part of an observation."""
COMPARED = 1 << 18
"""Bytes of a text that is compared line by line by the caller."""
PRIVATE = "other users cannot read the file"
PRIVATE_SOURCE = "other users cannot read its source"
PRIVATE_TREE = "other users cannot read the directory"
MOST_LISTED = 1000
"""Directories that are examined before a directory is listed."""


def is_public(path: str | os.PathLike[str]) -> bool:
    """Whether other users can read the file: its mode, and those of all directories above it."""
    try:
        return bool(os.stat(path).st_mode & 0o004) and is_reachable(path)  # noqa: PTH116
    except OSError:
        return False


def is_reachable(path: str | os.PathLike[str]) -> bool:
    """Whether other users can search all directories above the path; those that do not exist yet do not count."""
    folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
    while True:
        try:
            if not os.stat(folder).st_mode & 0o001:  # noqa: PTH116
                return False
        except FileNotFoundError:
            pass
        except OSError:
            return False
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return True
        folder = above


def is_listable(path: str) -> bool:
    """Whether other users can list what is below the directory; of a large one, that is not found out."""
    root = os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111
    if os.path.islink(root) or not os.path.isdir(root):  # noqa: PTH112, PTH114
        return True
    if not is_reachable(root):
        return False
    for count, (folder, _, _) in enumerate(os.walk(root)):
        try:
            if count >= MOST_LISTED or os.stat(folder).st_mode & 0o005 != 0o005:  # noqa: PTH116
                return False
        except OSError:
            return False
    return True


def changes(
    path: str,
    before: dict[str, int] | None,
    after: dict[str, int],
    old: bytes | None,
    new: bytes,
    *,
    is_same: bool,
    limit: int,
    source_is_private: bool,
) -> dict[str, Any]:
    """Both sides; `before` is None if there is no file yet, `old` if it is too large to be read.

    Content that other users cannot read, where it comes from or in its place, is on neither side: who reads the
    difference is another user.
    """
    is_private = any(not one["mode"] & 0o004 for one in (before, after) if one and "mode" in one)
    private = PRIVATE_SOURCE if source_is_private else PRIVATE if is_private or not is_reachable(path) else None
    found: dict[str, Any] = {"path": path, "same_content": is_same}
    found["before"] = None if before is None else _side(old, before, limit, private=private)
    found["after"] = _side(new, {**after, "size": len(new)}, limit, private=private)
    return found


def _side(content: bytes | None, status: dict[str, int], limit: int, *, private: str | None) -> dict[str, Any]:
    # The length of a secret is a part of it.
    side: dict[str, Any] = {"size": None if private else status["size"]}
    if "mode" in status:
        side["mode"] = f"{status['mode']:04o}"
    if "uid" in status:
        side["owner"] = _name(status["uid"], pwd.getpwuid)
    if "gid" in status:
        side["group"] = _name(status["gid"], grp.getgrgid)
    text = None if content is None else _text(content)
    if private:
        side["hidden"] = private
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
