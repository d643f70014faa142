"""The state of a tree of files, to be compared with a later one."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

type Tree = dict[str, tuple[object, ...]]


def tree(*roots: Path, without: Collection[Path] = ()) -> Tree:
    """Every path below the roots with its type, mode, owner, times, and content or target."""
    found: Tree = {}
    left_out = set(map(str, without))
    for root in roots:
        for folder, directories, files in os.walk(root):
            directories[:] = [name for name in directories if os.path.join(folder, name) not in left_out]  # noqa: PTH118
            for path in (folder, *(os.path.join(folder, name) for name in (*directories, *files))):  # noqa: PTH118
                if path not in left_out:
                    found[path] = _state(path)
    return found


def _state(path: str) -> tuple[object, ...]:
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    content: object = None
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:  # noqa: PTH123
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)  # noqa: PTH115
    return kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, content
