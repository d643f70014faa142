"""Hosts and resources that a loop registers, and keys of SSH hosts. No behavior."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire

SSH_PORT = 22
MOST_KEYS = 8
"""Keys in one request; a host has one of each type."""
LONGEST_KEY = 4096
"""Characters of a key as text: those of 16,384 bits have about 2,800."""


class HostState(StrEnum):
    """The origin of a host."""

    KNOWN = "known"
    """From the inventory; only its facts are stored."""
    REGISTERED = "registered"
    """Registered by the loop, and therefore part of the live inventory of every later process."""


class Host(Wire, frozen=True):
    """A host that the loop has facts about or has registered."""

    id: int
    loop_id: int
    name: str
    ansible_host: str | None
    ansible_port: int | None
    ansible_user: str | None
    groups: list[str]
    facts: dict[str, Any]
    state: HostState
    created_at: Instant
    updated_at: Instant


class Resource(Wire, frozen=True):
    """Something that the loop created and registered."""

    id: int
    loop_id: int
    name: str
    data: dict[str, Any]
    created_at: Instant
    updated_at: Instant


class RecordedKey(Wire, frozen=True):
    """A key of a host in the file `known_hosts` of the service's user."""

    type: str
    fingerprint: str
    line: int
    """Number of its line."""


class HostKeys(Wire, frozen=True):
    """The address of a host, and the keys that are recorded for it."""

    host: str
    port: int
    file: str
    """Path of the file."""
    keys: list[RecordedKey]


class TargetMatch(Wire, frozen=True):
    """Whether a name is one of a host, a group or an address that loops know."""

    known: bool | None
    """Null if that is not known: an inventory is a program, or cannot be read."""
    close: list[str] = []
    """Names that are spelled alike, the closest first."""


class KeyLine(Wire, frozen=True):
    """A key of a host."""

    type: str
    fingerprint: str


class TrustResult(Wire, frozen=True):
    """What a request to trust keys of a host has changed."""

    host: str
    port: int
    file: str
    """Path of the file that has the keys."""
    recorded: list[KeyLine] = []
    """Keys that are new in the file."""
    unchanged: list[KeyLine] = []
    """Keys that were in the file before."""
    replaced: list[KeyLine] = []
    """Keys that are no longer in the file."""
