"""Checks that are derived from actions: what a path is, and what it should be. Pure.

All paths of a host are examined in one observation that changes nothing and reports paths that could not be
examined: a path without permission is not absent.
"""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.manifest import FileState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PATHS = 1000
"""Paths of one observation."""

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, kw_only=True)
class DesiredPath:
    """What a path should be."""

    path: str
    state: FileState | None = FileState.FILE
    """None accepts anything that exists."""
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    target: str | None = None
    digest: str | None = None
    """SHA-256 of the content that a file should have."""


@dataclass(frozen=True, kw_only=True)
class PathStatus:
    """What a path is now."""

    mode: int
    owner: str
    group: str
    uid: str = ""
    gid: str = ""

    @property
    def kind(self) -> str:
        """Its kind, as it is named in messages."""
        return _KINDS.get(stat.S_IFMT(self.mode), "something else")


@dataclass(kw_only=True)
class ObservedPaths:
    """The results of one or more calls on a host."""

    paths: set[str] = field(default_factory=set[str])
    """The paths that were examined."""
    own: dict[str, PathStatus] = field(default_factory=dict[str, PathStatus])
    real: dict[str, PathStatus] = field(default_factory=dict[str, PathStatus])
    """The status with links followed."""
    hidden: set[str] = field(default_factory=set[str])
    """The paths that this user may not examine: whether they exist is unknown."""
    links: dict[str, str] = field(default_factory=dict[str, str])
    digests: dict[str, str] = field(default_factory=dict[str, str])


def digest_of(content: str) -> str:
    """The SHA-256 of a text as the content of a file."""
    return hashlib.sha256(content.encode()).hexdigest()


def octal(mode: str | int) -> int | None:
    """Permissions from octal digits; None when they are not octal digits."""
    text = str(mode)
    if not re.fullmatch(r"(0o)?[0-7]{1,5}", text):
        return None
    bits = int(text.removeprefix("0o"), 8)
    return bits if bits <= 0o7777 else None


def requests(paths: Mapping[str, bool]) -> Iterator[dict[str, list[str]]]:
    """The parameters of the observations that examine these paths; the flag requests a digest of the content."""
    for some in batched(sorted(paths), MAX_PATHS, strict=False):
        yield {"paths": list(some), "sha256": [path for path in some if paths[path]]}


def read(found: Mapping[str, Mapping[str, Any] | None], into: ObservedPaths) -> None:
    """Add the result of an observation."""
    for path, status in found.items():
        into.paths.add(path)
        if status is None:
            continue
        if status.get("hidden"):
            into.hidden.add(path)
            continue
        into.own[path] = _status(status)
        if (real := status.get("real")) is not None:
            into.real[path] = _status(real)
        if (target := status.get("link")) is not None:
            into.links[path] = str(target)
        if (digest := status.get("sha256")) is not None:
            into.digests[path] = str(digest)


def _status(found: Mapping[str, Any]) -> PathStatus:
    numbers = str(found.get("uid", "")), str(found.get("gid", ""))
    return PathStatus(
        mode=int(found["mode"]), owner=str(found["owner"]), group=str(found["group"]), uid=numbers[0], gid=numbers[1]
    )


def differences(desired: DesiredPath, observed: ObservedPaths) -> list[str]:
    """How the path differs from what it should be; empty when it does not."""
    path = desired.path
    own = observed.own.get(path)
    if desired.state is FileState.ABSENT:
        return [f"exists, {own.kind}"] if own else []
    if own is None:
        return ["does not exist"]
    if desired.state is FileState.LINK:
        target = observed.links.get(path)
        if target is None:
            return [f"is {own.kind}, not a link"]
        return [] if target == desired.target else [f"points to {target}, not {desired.target}"]
    status = observed.real.get(path)
    if status is None:
        return ["is a dangling link"]
    wrong = _wrong_kind(desired, status)
    if wrong:
        return [wrong]
    return [*_content(desired, observed), *_permissions(desired, status)]


def _wrong_kind(desired: DesiredPath, status: PathStatus) -> str | None:
    expected = {FileState.FILE: "a file", FileState.DIRECTORY: "a directory"}.get(desired.state or FileState.TOUCH)
    return f"is {status.kind}, not {expected}" if expected and status.kind != expected else None


def _content(desired: DesiredPath, observed: ObservedPaths) -> Iterator[str]:
    if desired.digest is not None:
        found = observed.digests.get(desired.path)
        if found is None:
            yield "content cannot be read"
        elif found != desired.digest:
            yield "content differs"


def _permissions(desired: DesiredPath, status: PathStatus) -> Iterator[str]:
    mode = stat.S_IMODE(status.mode)
    if desired.mode is not None and mode != desired.mode:
        yield f"mode is {mode:04o}, not {desired.mode:04o}"
    if desired.owner is not None and desired.owner not in (status.owner, status.uid):
        yield f"owner is {status.owner}, not {desired.owner}"
    if desired.group is not None and desired.group not in (status.group, status.gid):
        yield f"group is {status.group}, not {desired.group}"
