"""The newest events in memory, read once for all who follow: a hundred watches cost one query for each commit."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.store.events import last_event, list_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.control.commit_watch import Commits

PAGE = 200
"""Events that are read at a time."""
KEPT = 1000
"""Events that are remembered; who is further back reads the database."""


class Page(NamedTuple):
    """Events in order."""

    events: Sequence[Event]
    cursor: int
    """What follows is after this one."""
    is_last: bool
    """There were no more when they were read."""


class EventTail:
    """The newest events, as of the last known commit."""

    def __init__(self, store: Store, commits: Commits) -> None:
        self._store: Store = store
        self._commits: Commits = commits
        self._read_at: int | None = None
        """The number of the commit after which the events were read."""
        self._begin: int = 0
        """Every event after this one, up to `_end`, is remembered."""
        self._end: int = 0
        self._events: deque[Event] = deque()
        self._reading: asyncio.Lock = asyncio.Lock()
        """Of those that read the database, one at a time: others have their turn in between."""

    async def after(self, cursor: int, subject: str | None) -> Page:
        """The events after the cursor, of everything or of one subject. Raises Problem."""
        self._catch_up(cursor)
        end = self._end
        if cursor >= self._begin:
            newer = takewhile(lambda event: event.id > cursor, reversed(self._events))
            found = [event for event in newer if subject is None or event.subject == subject]
            return Page(found[::-1], max(cursor, end), is_last=True)
        async with self._reading:
            with self._store.read() as tx:
                found = list_events(tx, after=cursor, subject=subject, limit=PAGE)
            await asyncio.sleep(0)
        is_last = len(found) < PAGE
        read_to = found[-1].id if found else cursor
        return Page(found, max(read_to, end) if is_last else read_to, is_last=is_last)

    def _catch_up(self, cursor: int) -> None:
        """Read what was committed since the last time, if there may be something."""
        count = self._commits.count
        if self._read_at == count:
            return
        with self._store.read() as tx:
            if self._read_at is None:
                self._begin = self._end = min(cursor, last_event(tx))
            page = list_events(tx, after=self._end, limit=KEPT)
            if len(page) == KEPT:
                # So many at once are read by those who follow, page by page.
                page = []
                self._begin = self._end = last_event(tx)
                self._events.clear()
        self._read_at = count
        self._events.extend(page)
        if page:
            self._end = page[-1].id
        while len(self._events) > KEPT:
            self._begin = self._events.popleft().id
