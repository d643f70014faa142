"""Public keys of hosts: valid in their form, and without private keys."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.host_keys import HostKey


def packed(*fields: bytes) -> bytes:
    """The fields as RFC 4251 writes strings."""
    return b"".join(len(field).to_bytes(4) + field for field in fields)


def ed25519(number: int) -> HostKey:
    """One of many keys."""
    return HostKey("ssh-ed25519", packed(b"ssh-ed25519", bytes([number]) * 32))


def ecdsa(number: int) -> HostKey:
    """One of many keys."""
    point = b"\x04" + bytes([number]) * 64
    return HostKey("ecdsa-sha2-nistp256", packed(b"ecdsa-sha2-nistp256", b"nistp256", point))


def rsa(number: int, *, size: int = 256) -> HostKey:
    """One of many keys of so many bytes."""
    return HostKey("ssh-rsa", packed(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * (size - 1) + bytes([number])))
