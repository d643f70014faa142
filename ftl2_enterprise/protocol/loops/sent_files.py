"""Files that a client sends with a request, because the service may not be able to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

VARS_SUFFIXES = ("", ".yml", ".yaml", ".json")
"""Of the files with variables of groups and hosts, next to an inventory."""
MOST_FILES = 1000
LARGEST_SUM = 8 << 20
"""Characters of all files of a request."""
LONGEST_PATH = 4096
SEND_LESS = "put the files where the service reads them itself, below /etc/ftl2-enterprise"


class SentFile(Wire, frozen=True):
    """One text file."""

    path: str
    """Absolute."""
    content: str


def check_files(files: Sequence[SentFile]) -> None:
    """Raises Problem(invalid) for too many files, too much content, and paths and texts that cannot be stored."""
    if len(files) > MOST_FILES:
        raise invalid(f"cannot send {len(files)} files with a request", f"at most {MOST_FILES} can; {SEND_LESS}")
    paths: set[str] = set()
    size = 0
    for file in files:
        size += len(file.content)
        if not file.path.startswith("/") or len(file.path) > LONGEST_PATH or "\0" in file.path:
            raise invalid(f"cannot send the file {file.path[:80]!r}: its path is not an absolute path")
        if file.path in paths:
            raise invalid(f"cannot send the file {file.path}: it was given twice", "send it once")
        if "\0" in file.content:
            raise invalid(f"cannot send the file {file.path}: it is not a text", "only texts can be sent")
        paths.add(file.path)
    if size > LARGEST_SUM:
        raise invalid(
            f"cannot send the files of the request: together they are larger than {LARGEST_SUM >> 20} MiB", SEND_LESS
        )
