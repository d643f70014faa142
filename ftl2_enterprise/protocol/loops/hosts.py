"""The nouns of what a loop knows of the world: hosts, and resources that it made. No behaviour."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire


class HostState(StrEnum):
    """How a loop knows a host."""

    KNOWN = "known"
    """From the inventory; only its facts are kept here."""
    REGISTERED = "registered"
    """By the loop itself, so that it belongs to the live inventory of every later process."""


class Host(Wire, frozen=True):
    """A host that the loop knows."""

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
    """Something that the loop made and remembers."""

    id: int
    loop_id: int
    name: str
    data: dict[str, Any]
    created_at: Instant
    updated_at: Instant
