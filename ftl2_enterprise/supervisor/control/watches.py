"""What follows facts and logs, by cursors: the next is read only when the client has taken all that was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator  # noqa: TC003 - dispatch compares the annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    ListEvents,
    LogLine,
    WatchEvents,
    WatchLogs,
)
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store.events import events, last_event, list_events
from ftl2_enterprise.supervisor.logs.read import Follower

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.supervisor.control.service_state import ServiceState
    from ftl2_enterprise.supervisor.subjects import Subjects

FOLLOW = 0.2
"""Seconds between checks of a log file."""


def page_of(tx: Tx, subjects: Subjects, request: ListEvents) -> EventPage:
    """The facts that are asked for. Raises Problem."""
    subject = None if request.subject is None else subjects.find(tx, request.subject)
    last = _checked(tx, request.after)
    if request.newest:
        found = _last_events(tx, subject, request.limit)
        return EventPage(events=found, cursor=last)
    found = list_events(tx, after=request.after, subject=subject, limit=request.limit)
    # For a page that is not full, the log was read up to the end.
    whole = len(found) < request.limit
    return EventPage(events=found, cursor=last if whole else found[-1].id)


def _checked(tx: Tx, after: int) -> int:
    """The id of the last fact. Raises Problem(invalid) for a cursor after it.

    The next facts get these ids, so a reader with such a cursor would miss them without notice.
    """
    last = last_event(tx)
    if after > last:
        raise invalid(
            f"cannot continue after the event {after}: {last} is the last one",
            f"if the database was restored from a backup, continue after {last}",
        )
    return last


def _last_events(tx: Tx, subject: str | None, limit: int) -> list[Event]:
    query = select(events).order_by(events.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(events.c.subject == subject)
    return [Event(**row) for row in reversed(tx.connection.execute(query).mappings().all())]


async def watch_events(state: ServiceState, request: WatchEvents) -> AsyncGenerator[Event]:
    """Facts after the cursor, and all that follow."""
    with state.store.read() as tx:
        subject = None if request.subject is None else state.subjects.find(tx, request.subject)
        last = _checked(tx, request.after or 0)
        cursor = last if request.after is None else request.after
    while True:
        count = state.commits.count
        # No transaction is open while something is sent: the client may take its time.
        page = await state.tail.after(cursor, subject)
        for event in page.events:
            yield event
        cursor = page.cursor
        if page.is_last:
            await state.commits.wait(count)


async def watch_logs(state: ServiceState, request: WatchLogs) -> AsyncGenerator[LogLine]:
    """The last lines, and with `follow` those to come."""
    with state.store.read() as tx:
        subject = None if request.subject is None else state.subjects.find(tx, request.subject)
    follower = Follower(Path(state.settings.log.directory), subject or SERVICE, request.last)
    try:
        lines = follower.more() if request.last else []
        while True:
            for line in lines:
                yield line
            if not request.follow:
                return
            if not lines:
                await asyncio.sleep(FOLLOW)
            lines = follower.more()
    finally:
        follower.close()


WATCHES: dict[type[Any], Any] = {WatchEvents: watch_events, WatchLogs: watch_logs}
