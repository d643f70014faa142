"""Checks that are derived from actions: what a path is, and what it should be. Pure.

All paths of a host are examined in one shell call that changes nothing, needs only POSIX utilities, and reports paths
that could not be examined: a path without permission is not absent.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.manifest import FileState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_SCRIPT = 60_000
"""Characters of one call; Linux limits one argument to 128 KiB (execve(2))."""

_SCRIPT = """LC_ALL=C; export LC_ALL
all() { "$@" -- / %(all)s; }
listed() { shift; for p; do printf '%%s\\n' "$p"; done; }
contents() { %(contents)s; }
hidden() { shift; for p; do [ -e "$p" ] || [ -L "$p" ] || { e=$(ls -d -- "$p" 2>&1 >/dev/null); case $e in
*'No such file'*|*'Not a directory'*) ;; ?*) printf '%%s\\n' "$p";; esac; }; done; }
links() { shift; for p; do if [ -L "$p" ]; then printf '%%s\\n>' "$p"; readlink -- "$p" | tr '\\n' '?'; echo
fi; done; }
if stat -c %%f / >/dev/null 2>&1; then o=-c f='%%f|%%U|%%G|%%n'; else o=-f f='%%Xp|%%Su|%%Sg|%%N'; fi
if command -v sha256sum >/dev/null 2>&1; then s=sha256sum; else s='shasum -a 256'; fi
echo '#paths'; all listed
echo '#own'; all stat $o "$f" 2>/dev/null
echo '#real'; all stat -L $o "$f" 2>/dev/null
echo '#hidden'; all hidden
echo '#links'; all links
echo '#sha256'; contents $s 2>/dev/null
echo '#end'; exit 0
"""

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
    """One line of `stat`."""

    mode: int
    owner: str
    group: str

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


def scripts(paths: Mapping[str, bool]) -> Iterator[str]:
    """The shell scripts that examine these paths; the flag requests a hash of the content."""
    room: dict[str, bool] = {}
    size = 0
    for path, content in sorted(paths.items()):
        cost = (len(shlex.quote(path)) + 1) * (2 if content else 1)
        if room and size + cost > MAX_SCRIPT:
            yield _script(room)
            room, size = {}, 0
        room[path] = content
        size += cost
    if room:
        yield _script(room)


def _script(paths: Mapping[str, bool]) -> str:
    contents = [path for path, content in paths.items() if content]
    return _SCRIPT % {
        "all": shlex.join(paths),
        "contents": f'"$@" -- {shlex.join(contents)}' if contents else ":",
    }


def read(stdout: str, into: ObservedPaths) -> bool:
    """Add the output of a call; False, with nothing added, when it is truncated or could not examine even `/`."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in stdout.split("\n"):
        if line.startswith("#"):
            current = sections.setdefault(line[1:], [])
        else:
            current.append(line)
    if "end" not in sections or not any(path == "/" for path, _ in _statuses(sections["own"])):
        return False
    into.paths.update(line for line in sections["paths"] if line)
    into.own.update(_statuses(sections["own"]))
    into.real.update(_statuses(sections["real"]))
    into.hidden.update(line for line in sections["hidden"] if line)
    links = sections["links"]
    into.links.update((path, target[1:-1]) for path, target in zip(links[::2], links[1::2], strict=False))
    for line in sections["sha256"]:
        digest, _, path = line.partition("  ")
        if digest.startswith("\\"):
            digest, path = digest[1:], path.replace("\\\\", "\\")
        into.digests[path] = digest
    return True


def _statuses(lines: Iterable[str]) -> Iterator[tuple[str, PathStatus]]:
    for line in lines:
        parts = line.split("|", 3)
        if len(parts) == 4:
            yield parts[3], PathStatus(mode=int(parts[0], 16), owner=parts[1], group=parts[2])


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
    if desired.owner is not None and status.owner != desired.owner:
        yield f"owner is {status.owner}, not {desired.owner}"
    if desired.group is not None and status.group != desired.group:
        yield f"group is {status.group}, not {desired.group}"
