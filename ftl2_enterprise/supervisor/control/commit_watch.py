"""Wakes the followers of commits, and detects commits of other processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.store.driver import CommitCounter

GAP = 0.02
"""Seconds between two wake-ups of the followers: a hundred of them must not read after every commit."""
AT_ONCE = 32
"""Followers that are woken in one turn of the event loop: clients with other requests have theirs in between."""
CHECK_EVERY = 2.0
"""Seconds between checks without a notice: a process in the foreground writes directly, without notices."""


class Commits:
    """Wakes the tasks that wait for a commit."""

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
        """The number of known commits. Read it before the database, and pass it to `wait`."""
        return self._count

    def notify(self) -> None:
        """Record a commit, and wake the waiting tasks."""
        self._count += 1
        if self._waiting:
            self._news = True
            self._arm(max(0.0, self._last + GAP - asyncio.get_running_loop().time()))

    async def wait(self, since: int) -> None:
        """Wait for a commit since `since` was read. It may return without one, but never much later than one."""
        if self._count != since:
            # There was a commit while the caller read; more may follow immediately.
            await asyncio.sleep(GAP)
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.add(future)
        if self._timer is None:
            self._arm(CHECK_EVERY)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def close(self) -> None:
        """Stop waking tasks."""
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
            self._arm(CHECK_EVERY)
            return
        # Also after a notice: another process, which gives none, may have committed since.
        self._count += 1
        self._news, self._known = False, found
        self._last = asyncio.get_running_loop().time()
        _wake(list(self._waiting))


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting[:AT_ONCE]:
        if not future.done():
            future.set_result(None)
    if rest := waiting[AT_ONCE:]:
        asyncio.get_running_loop().call_soon(_wake, rest)
