"""News of commits, and whether anything was committed at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.store.driver import CommitCounter

GAP = 0.02
"""Seconds between two wake-ups of those who follow commits: a hundred of them must not read after every commit."""
LOOK = 2.0
"""Seconds after which followers look without news: a process in the foreground writes by itself and tells nobody."""


class Commits:
    """Wakes whoever waits for something to be committed."""

    def __init__(self, version: CommitCounter) -> None:
        self._version: CommitCounter = version
        self._known: int | None = version.read()
        self._count: int = 0
        self._news: bool = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._last: float = 0.0

    @property
    def count(self) -> int:
        """How many are known of: to be read before the database, and given to `wait`."""
        return self._count

    def told(self) -> None:
        """There was a commit."""
        self._count += 1
        if self._waiting:
            self._news = True
            self._arm(max(0.0, self._last + GAP - asyncio.get_running_loop().time()))

    async def wait(self, since: int) -> None:
        """Return when something was committed after `since` was read, perhaps; never much later than that."""
        if self._count != since:
            # It came while the caller read; others may come at once.
            await asyncio.sleep(GAP)
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.add(future)
        if self._timer is None:
            self._arm(LOOK)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def close(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        found = self._version.read()
        if not self._news and found is not None and found == self._known:
            self._arm(LOOK)
            return
        self._news, self._known = False, found
        self._last = asyncio.get_running_loop().time()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
