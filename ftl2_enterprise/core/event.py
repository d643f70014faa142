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
    """The kind of fact, `NOUN.VERB`; `protocol.fact.fact_of` decodes it."""
    subject: str = ""
    """What it is about, `KIND:ID`; empty for the service itself."""
    actor: str | None = None
    """Who caused it, if that is known: a user of the machine, or the person who answered a question."""
    data: dict[str, Any] = {}
    """The fields of the fact."""
