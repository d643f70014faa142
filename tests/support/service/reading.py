"""Readings that are executed in the process of a test, for tests of what they read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl2_enterprise.core.child_startup import Startup
from ftl2_enterprise.core.settings.model import Loaded

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.supervisor.readers.messages import Reading
    from ftl2_enterprise.wiring.loops.gather import ReadFiles


def reader_here(settings: Settings) -> ReadFiles:
    """Executes readings in a thread of this process, with these settings."""
    argument = Startup(writer="").renewed(Loaded(settings=settings, origins={})).encode()

    async def read[Q, R](reading: Reading[Q, R], request: Q) -> R:
        return await asyncio.to_thread(reading.work, request, argument)

    return read
