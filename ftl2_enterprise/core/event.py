"""Facts: what happened, in the past tense, append-only and ordered by id."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire


class Event(Wire, frozen=True):
    """One row of the event log. `id` is the cursor that readers continue from."""

    id: int
    at: Instant
    kind: str
    loop_id: int | None = None
    iteration_id: int | None = None
    actor: str | None = None
    data: dict[str, Any] = {}
