"""Events as they happen, over restarts of the service."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents
from ftl2_enterprise.render.text import Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.session import Session

PATIENCE = 60.0
"""Seconds for which a lost service is looked for."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0


def cursor(session: Session) -> int:
    """The id of the newest event, to watch from there. Raises Problem."""
    return session.call(ListEvents(newest=True, limit=1)).cursor


def events(session: Session, *, loop: str | None, after: int) -> Generator[Event]:
    """The events behind the cursor, for ever; none is missed or told twice when the service restarts meanwhile.

    Raises Problem; Problem(unavailable) when the service does not come back.
    """
    lost_at: float | None = None
    pause = FIRST_PAUSE
    while True:
        try:
            with session.connect() as connection:
                watched = connection.watch(WatchEvents(loop=loop, after=after))
                if lost_at is not None:
                    _say(session, "the service is back", Role.GOOD)
                    lost_at, pause = None, FIRST_PAUSE
                for event in watched:
                    after = event.id
                    yield event
        except Problem as problem:
            if problem.code is not Code.UNAVAILABLE:
                raise
            if lost_at is not None and time.monotonic() - lost_at > PATIENCE:
                raise
        # It was lost, or the service ended the watch because it ends itself.
        if lost_at is None:
            lost_at = time.monotonic()
            session.close()
            _say(session, "the service is unreachable: trying again", Role.WARNING)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _say(session: Session, text: str, role: Role) -> None:
    if not session.wants_json:
        session.print(line(symbol("!", role), (text, role)))
