"""Paths through links that the kernel makes: the root, the directory and the files of a process. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from ftl2_enterprise.gate.policy import globs

_SLASH = r"/(?:\.?/)*"
_ANY = rf"[^/]+{_SLASH}"
_LINK = re.compile(
    rf"(?:^|/)(?:proc{_SLASH}{_ANY}(?:{_ANY}{_ANY})?(?:(?P<root>root)|cwd|map_files/.|fd{_SLASH}{_ANY}.)"
    rf"|dev{_SLASH}fd{_SLASH}{_ANY}.)(?P<rest>(?(root)(?:/.*)?\Z))",
    re.DOTALL,
)
"""The root of a process, with what follows; or another directory or file that a process has."""
_LINKS = ("/proc/*/root", "/proc/*/root/*", "/proc/*/cwd", "/proc/*/cwd/*", "/proc/*/fd/*/*", "/proc/*/map_files/*",
          "/dev/fd/*/*")  # fmt: skip
_FIRST = frozenset("pd*?[$")
_EXPANSION = re.compile(r"\$\{[^}]*\}|\$\w+|\$[^\w/]|\$")


class Target(NamedTuple):
    """Where a path through such a link leads."""

    path: str | None
    """None if it is another one for each process, so that it may be anything."""


def target(path: str) -> Target | None:
    """Where the path leads if it may be one through such a link; a shell may replace parts of it."""
    if "/" not in path:
        return None
    for one in dict.fromkeys((path, posixpath.normpath(path))):
        found = _LINK.search(one)
        if found is not None:
            return Target((found["rest"] or "/") if found["root"] else None)
    if path[1:2] in _FIRST and path.startswith("/") and globs.is_expanded(path):
        word = _EXPANSION.sub("*", path)
        if any(globs.may_share(link, word) for link in _LINKS):
            return Target(None)
    return None
