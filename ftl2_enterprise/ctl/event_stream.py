"""Streams of the service that continue after it restarts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents
from ftl2_enterprise.render.text import Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.verb import Watch

PATIENCE = 60.0
"""Seconds to wait for a lost service to return."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0


def cursor(session: CtlSession) -> int:
    """The id of the newest event, to watch from there. Raises Problem."""
    return session.call(ListEvents(newest=True, limit=1)).cursor


def events(session: CtlSession, *, subject: str | None, after: int) -> Generator[Event]:
    """The events after the cursor, without end; none is missed or repeated when the service restarts.

    Raises Problem; Problem(unavailable) when the service does not come back.
    """

    def request(_connection: int) -> WatchEvents:
        return WatchEvents(subject=subject, after=after)

    for event, _ in reconnected(session, request, was_reached=True):
        after = event.id
        yield event


def reconnected[I](
    session: CtlSession, request: Callable[[int], Watch[I]], *, was_reached: bool = False
) -> Generator[tuple[I, int]]:
    """The items of a watch, without end, each with the number of its connection, from 0.

    `request` makes the watch for a connection so that it continues where the last one ended. Raises Problem;
    Problem(unavailable) at once when the service was never reached, else when it does not come back within PATIENCE.
    """
    lost_at: float | None = None
    pause = FIRST_PAUSE
    number = -1
    while True:
        try:
            with session.connect() as connection:
                watched = connection.watch(request(number + 1))
                number += 1
                if lost_at is not None:
                    _notice(session, "the service is back", Role.GOOD)
                    lost_at, pause = None, FIRST_PAUSE
                for item in watched:
                    yield item, number
        except Problem as problem:
            if problem.code is not Code.UNAVAILABLE or not (was_reached or number >= 0):
                raise
            if lost_at is not None and time.monotonic() - lost_at > PATIENCE:
                raise
        # The connection was lost, or the service ended the watch because it shuts down.
        if lost_at is None:
            lost_at = time.monotonic()
            session.close()
            _notice(session, "the service is unreachable: trying again", Role.WARNING)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _notice(session: CtlSession, text: str, role: Role) -> None:
    if not session.wants_json:
        session.print(line(symbol("!", role), (text, role)))
