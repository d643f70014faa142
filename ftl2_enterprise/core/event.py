"""Events: what happened, in the past tense, append-only and ordered by id."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire


class Event(Wire, frozen=True):
    """One row of the event log. `id` is the cursor that readers continue from."""

    id: int
    at: Instant
    kind: str
    """Which fact it is, such as `loop.paused`; `protocol.fact.fact_of` decodes the fact."""
    subject: str = ""
    """What it is about, `loop:17`; empty when it is about the service."""
    actor: str | None = None
    """Who caused it, when that is known: a user of the machine, or who answered a prompt."""
    data: dict[str, Any] = {}
    """The fields of the fact."""
