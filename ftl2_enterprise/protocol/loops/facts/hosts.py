"""Facts about SSH hosts: which keys of them are trusted."""

from __future__ import annotations

from ftl2_enterprise.protocol.fact import Fact


class HostTrusted(Fact, frozen=True, tag="host.trusted"):
    """A person trusts a key of an SSH host. The key is recorded in `known_hosts` immediately after this event: if the
    service is killed in between, the host stays unknown until the request is repeated.
    """

    host: str
    """Its name or address."""
    port: int
    """Its port."""
    key_type: str
    """The type of the key."""
    fingerprint: str
    """The SHA-256 fingerprint of the key."""
    replaced: list[str] = []
    """The fingerprints of the keys that it replaces."""
