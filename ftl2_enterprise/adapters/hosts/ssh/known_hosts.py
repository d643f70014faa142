"""The lines of a file `known_hosts`, in the format of sshd(8): which keys a host has, and how others are recorded.

Everything works on the bytes of the file, so that comments and lines of other hosts keep every byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.loops.host_keys import HostKey, known_with_another_key, place
from ftl2_enterprise.protocol.loops.hosts import SSH_PORT, KeyLine, RecordedKey, TrustResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HASHED = b"|1|"
REVOKED = b"@revoked"
AUTHORITY = b"@cert-authority"
_PATTERN = re.compile(rb"[*?]")
_LINE = re.compile(
    rb"\s*(?:(?P<marker>@\S+)\s+)?(?P<names>[^#@\s]\S*)\s+(?P<type>\S+)\s+(?P<key>[A-Za-z0-9+/=]+)(?:\s|\Z)"
)


class LineAboutHost(NamedTuple):
    """One line about a host."""

    at: int
    """Its index."""
    marker: bytes
    names: bytes
    key: HostKey
    is_pattern: bool
    """It covers the host by a pattern, and so other hosts, too."""

    @property
    def recorded(self) -> RecordedKey:
        """The key, for people."""
        return RecordedKey(type=self.key.type, fingerprint=self.key.fingerprint, line=self.at + 1)


def recorded_keys(data: bytes, host: str, port: int) -> list[RecordedKey]:
    """The keys with which the host is known, in the order of the lines."""
    return [line.recorded for line in _lines_about(data.split(b"\n"), place(host, port)) if not line.marker]


class KeysOfHost(NamedTuple):
    """What the lines have about a host."""

    keys: list[LineAboutHost]
    authorities: list[LineAboutHost]
    """Those of authorities whose certificates are accepted."""
    revoked: list[LineAboutHost]
    """Keys and authorities that are never accepted."""


def keys_of_host(data: bytes, host: str, port: int) -> KeysOfHost:
    """The lines that decide about the key of a host.

    As in ssh(1), a host that is not known with its port may be known without it. A key is revoked if it is revoked
    with the port or without it.
    """
    lines = data.split(b"\n")
    with_port = list(_lines_about(lines, place(host, port)))
    without = [] if port == SSH_PORT else list(_lines_about(lines, place(host, SSH_PORT)))
    keys, authorities = (
        [line for line in with_port if line.marker == marker] or [line for line in without if line.marker == marker]
        for marker in (b"", AUTHORITY)
    )
    return KeysOfHost(keys, authorities, [line for line in (*with_port, *without) if line.marker == REVOKED])


def with_keys(
    data: bytes, host: str, port: int, keys: Sequence[HostKey], *, replace: bool, file: str
) -> tuple[bytes, TrustResult]:
    """The file with these keys of the host, and what is different in it.

    Without `replace`, Problem(conflict) is raised for a host that is known with another key of the same type. With
    it, those lines are removed; a line of several hosts keeps the others.
    """
    lines = data.split(b"\n")
    about = list(_lines_about(lines, place(host, port)))
    result = TrustResult(host=host, port=port, file=file)
    edits: dict[int, bytes | None] = {}
    for key in keys:
        _refuse_revoked(about, key, host, port, file)
        same_type = [line for line in about if not line.marker and line.key.type == key.type]
        others = [line for line in same_type if line.key != key]
        is_recorded = len(others) < len(same_type)
        if others and not replace and not is_recorded:
            raise known_with_another_key(host, port, key, others[0].recorded, file)
        for line in others if replace else ():
            if line.is_pattern:
                raise conflict(
                    f"cannot replace {line.key.fingerprint} of {place(host, port)}: line {line.at + 1} of {file}"
                    " is about a pattern of hosts",
                    "edit that line",
                )
            edits[line.at] = _without(lines[line.at], line.names, place(host, port).lower())
            result.replaced.append(KeyLine(type=line.key.type, fingerprint=line.key.fingerprint))
        shown = KeyLine(type=key.type, fingerprint=key.fingerprint)
        (result.unchanged if is_recorded else result.recorded).append(shown)
    kept = [edits.get(index, line) for index, line in enumerate(lines)]
    edited = b"\n".join(line for line in kept if line is not None)
    added = {line.fingerprint for line in result.recorded}
    if added and edited and not edited.endswith(b"\n"):
        edited += b"\n"
    for key in keys:
        if key.fingerprint in added:
            edited += f"{place(host, port)} {key.text}\n".encode()
    return edited, result


def _refuse_revoked(about: list[LineAboutHost], key: HostKey, host: str, port: int, file: str) -> None:
    for line in about:
        if line.marker == REVOKED and line.key == key:
            raise conflict(
                f"cannot trust the {key.type} key {key.fingerprint} of {place(host, port)}: line {line.at + 1} of"
                f" {file} revokes it",
                "the host needs a new key",
            )


def _lines_about(lines: list[bytes], name: str) -> Iterator[LineAboutHost]:
    """The lines whose names cover this one, in lower or upper case."""
    name = name.lower()
    for index, text in enumerate(lines):
        found = _LINE.match(text)
        if found is None:
            continue
        covers = _covers(found["names"], name.encode())
        if covers is None:
            continue
        try:
            key = HostKey(found["type"].decode("ascii", "replace"), base64.b64decode(found["key"], validate=True))
        except (binascii.Error, ValueError):
            continue
        yield LineAboutHost(index, found["marker"] or b"", found["names"], key, is_pattern=covers == "pattern")


def _covers(names: bytes, name: bytes) -> str | None:
    """How the first field of a line covers the name: "exact", "pattern", or None."""
    if names.startswith(HASHED):
        return "exact" if _is_hash_of(names, name) else None
    parts = names.lower().split(b",")
    if any(part[:1] == b"!" and _fits(part[1:], name) for part in parts):
        return None
    if any(part != name and _PATTERN.search(part) and _fits(part, name) for part in parts):
        return "pattern"
    return "exact" if name in parts else None


def _is_hash_of(names: bytes, name: bytes) -> bool:
    """Whether the field is the salted HMAC-SHA1 of the name."""
    try:
        _, _, salt, digest = names.split(b"|")
        stored = base64.b64decode(digest)
        made = hmac.new(base64.b64decode(salt), name, hashlib.sha1).digest()
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(stored, made)


def _fits(pattern: bytes, name: bytes) -> bool:
    """Whether a name is one of a pattern, in which `*` stands for any characters and `?` for one."""
    written = re.escape(pattern).replace(rb"\*", b".*").replace(rb"\?", b".")
    return re.fullmatch(written, name, re.IGNORECASE) is not None


def _without(text: bytes, names: bytes, name: str) -> bytes | None:
    """The line without this name; None if it has no other."""
    others = [] if names.startswith(HASHED) else [part for part in names.split(b",") if part.lower() != name.encode()]
    if not any(not part.startswith(b"!") for part in others):
        return None
    return text.replace(names, b",".join(others), 1)
