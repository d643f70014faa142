"""Keys of SSH hosts: their text, their fingerprints, and what the service accepts as a key and as a host.

Apart from the nouns in `hosts`, because what it imports takes longer than many calls of a client.

The form of a public key is that of RFC 4253, section 6.6, RFC 5656, section 3.1, and RFC 8709, section 4.
"""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from typing import NamedTuple

from ftl2_enterprise.core.problem import Problem, conflict, invalid
from ftl2_enterprise.protocol.loops.hosts import LONGEST_KEY, MOST_KEYS, SSH_PORT, KeyLine, RecordedKey

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
_POINTS = {"ecdsa-sha2-nistp256": 65, "ecdsa-sha2-nistp384": 97, "ecdsa-sha2-nistp521": 133}
"""Bytes of an uncompressed point of the curve, by the type of the key."""
KEY_TYPES = (ED25519, *_POINTS, RSA)
_UNCOMPRESSED = 4
_RSA_BITS = range(1024, 16_385)
"""OpenSSH connects to no host with a shorter key, and reads no longer one."""
_HOST = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_:][A-Za-z0-9_.:%-]*\Z")
_WITH_PORT = re.compile(r"([^:]+):(\d+)\Z")
"""No IPv6 address, which has more colons."""
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
SHOWN = 80
"""Characters of bad input that a message repeats."""


class HostKey(NamedTuple):
    """A public key of a host."""

    type: str
    blob: bytes

    @property
    def text(self) -> str:
        """The type and the key as in a file `known_hosts`."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(sha256(self.blob).digest()).decode().rstrip("=")


def check_host(host: str) -> str:
    """The host name or address. Raises Problem(invalid) for what can be neither."""
    if _HOST.match(host) is None:
        raise invalid(
            f"cannot use {host[:SHOWN]!r} as a host: it is neither a name nor an address",
            "a name or address has at most 255 letters, digits and `.-_:%`",
        )
    with_port = _WITH_PORT.match(host)
    if with_port is not None:
        name, port = with_port.groups()
        raise invalid(
            f"cannot use {host[:SHOWN]!r} as a host: it contains a port",
            f"write {name} --port {port}; in an inventory, the port is ansible_port",
        )
    return host


def check_fingerprint(shown: str, word: str) -> str:
    """The fingerprint in the form of `HostKey.fingerprint`. Raises Problem(invalid) for anything else."""
    found = word.strip().rstrip("=")
    if _FINGERPRINT.match(found) is None:
        raise invalid(
            f"cannot take {word[:SHOWN]!r} for {shown}",
            "it must be SHA256: and 43 characters, as `ssh-keygen -lf` prints it",
        )
    return found


def place(host: str, port: int) -> str:
    """The host as a file `known_hosts` names it: with its port if that is not 22."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def parse_key(text: str) -> HostKey:
    """The key from its type and its Base64 text. Raises Problem(invalid) unless OpenSSH could read it."""
    kind, _, encoded = text.partition(" ")
    if kind not in KEY_TYPES:
        raise _no_key(f"its type {kind[:SHOWN]!r} is unknown", f"known are {', '.join(KEY_TYPES)}")
    if len(text) > LONGEST_KEY:
        raise _no_key("it is too long")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _no_key("it is not Base64") from None
    key = HostKey(kind, blob)
    if key.text != text:
        raise _no_key("it is not in its canonical form")
    if not _is_whole(key):
        raise _no_key(f"it is not a key of the type {kind}")
    return key


def parse_keys(texts: list[str]) -> list[HostKey]:
    """The keys, one of each type. Raises Problem(invalid)."""
    if not 0 < len(texts) <= MOST_KEYS:
        raise invalid(f"cannot trust {len(texts)} keys", f"one request has between 1 and {MOST_KEYS} keys")
    found = [parse_key(text) for text in texts]
    if len({key.type for key in found}) < len(found):
        raise invalid("cannot trust several keys of the same type", "a host has one key of each type")
    return found


def known_with_another_key(host: str, port: int, new: KeyLine | HostKey, old: RecordedKey, file: str) -> Problem:
    """The refusal to trust a key of a host that is known with another key of that type."""
    return conflict(
        f"cannot trust the {new.type} key {new.fingerprint} of {place(host, port)}: line {old.line} of {file} has"
        f" {old.fingerprint}",
        "another machine may answer at this address; if the host has a new key, --replace replaces the old one",
    )


def _no_key(why: str, hint: str = "give the type and the key as `ssh-keyscan` prints them") -> Problem:
    return invalid(f"cannot trust a key: {why}", hint)


def _is_whole(key: HostKey) -> bool:
    """Whether the bytes are the fields of a key of its type, and nothing more."""
    fields = _fields(key.blob)
    if not fields or fields[0] != key.type.encode():
        return False
    match fields[1:]:
        case [public] if key.type == ED25519:
            return len(public) == 32
        case [curve, point] if key.type in _POINTS:
            name = key.type.removeprefix("ecdsa-sha2-").encode()
            return curve == name and len(point) == _POINTS[key.type] and point[0] == _UNCOMPRESSED
        case [exponent, modulus] if key.type == RSA:
            bits = int.from_bytes(modulus).bit_length()
            return _is_positive(exponent) and _is_positive(modulus) and bits in _RSA_BITS
        case _:
            return False


def _is_positive(number: bytes) -> bool:
    """Whether these are the bytes of a positive number, without needless zeros (RFC 4251, section 5)."""
    return bool(number) and number[0] < 0x80 and (number[0] != 0 or number[1:2] >= b"\x80")


def _fields(blob: bytes) -> list[bytes] | None:
    """The strings of RFC 4251, section 5; None when the bytes are not a list of them."""
    found: list[bytes] = []
    while blob:
        end = 4 + int.from_bytes(blob[:4])
        if len(blob) < end or len(blob) < 4:
            return None
        found.append(blob[4:end])
        blob = blob[end:]
    return found
