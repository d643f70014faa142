"""The nouns that a loop registers: hosts and resources. No behavior."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire


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
