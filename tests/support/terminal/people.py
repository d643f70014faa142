"""Stand-ins for a person at a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Prompt


class NoAnswer:
    """A person who never answers, as at a terminal that was left alone."""

    name = "nobody"

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.taken_back = False

    async def ask(self, prompt: Prompt) -> str | None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.taken_back = True
            raise
        return None
