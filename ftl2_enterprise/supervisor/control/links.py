"""Links: where a fact of one capability leads to a unit of work of another.

Otherwise capabilities know nothing of each other.

A link is a plain declaration, listed in `wiring/links.py`. Control follows the event log for each link, and has the
writer execute its unit for each of its facts, in their order and together with the movement of its cursor, in one
transaction. So each fact is handled exactly once, whichever process is killed. A new link begins with the first fact
after its first start. A fact that cannot be handled is tried again, and blocks the link: the next ones may depend on
it. `docs/how-to/troubleshoot.md` has the way to skip it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ftl2_enterprise.core.backoff import exponential
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.store import cursors
from ftl2_enterprise.store.events import list_events
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.fact import Fact
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.unit import Unit
    from ftl2_enterprise.supervisor.control.commit_watch import Commits
    from ftl2_enterprise.supervisor.control.reconciler import Writing

PAGE = 200
"""Facts that are read at a time."""
LAG = 5_000
"""Facts of other kinds after which the cursor is stored, so that a restart does not read all of them again."""
RETRY_BASE, RETRY_CAP = 0.2, 30.0
"""Bounds of the seconds before a fact that could not be handled is tried again."""
REMEDY = "the troubleshooting guide explains how to skip an event"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A unit of work that follows facts."""

    name: str
    """Of its cursor, unique and never changed: `CAPABILITY.what-it-does`."""
    facts: tuple[type[Fact], ...]
    unit: Unit[[Event], None]
    """Handles one event. A Problem or an error of it is logged, and the event is tried again until it is handled."""


async def follow(link: Link, store: Store, writer: Writing, commits: Commits, report: Callable[[str], None]) -> None:
    """Have the link's facts handled, until cancelled. `report` gets what is wrong, or an empty text."""
    failures = 0
    current: Event | None = None

    def handling(event: Event | None) -> None:
        nonlocal failures, current
        current = event
        if event is None:
            if failures:
                report("")
            failures = 0

    while True:
        current = None
        try:
            await _follow(link, store, writer, commits, handling)
        except Problem as problem:
            why = str(problem)
        except Exception as error:
            why = f"internal error {log.crash(error, 'a link failed', link=link.name)}"
        failures += 1
        what = (
            "continue" if current is None else f"handle the event {current.id} ({current.kind} of {current.subject})"
        )
        _log.warning("the link %s cannot %s: %s", link.name, what, why)
        report(f"the link {link.name} cannot {what}: {why}; it tries again, and {REMEDY}")
        await asyncio.sleep(exponential(failures, base=RETRY_BASE, cap=RETRY_CAP))


async def _follow(
    link: Link, store: Store, writer: Writing, commits: Commits, handling: Callable[[Event | None], None]
) -> NoReturn:
    """Continue from the stored cursor, which a control before this one may have moved. Raises what stops it.

    `handling` gets each event before it is handled, and None when all are.
    """
    kinds = {kind_of(fact) for fact in link.facts}
    at: int = await writer.execute([cursors.begin.call(link.name)])
    stored = at
    while True:
        count = commits.count
        with store.read() as tx:
            page = list_events(tx, after=at, limit=PAGE)
        for event in page:
            if event.kind in kinds:
                handling(event)
                await writer.execute([cursors.move.call(link.name, stored, event.id), link.unit.call(event)])
                stored = event.id
                handling(None)
            at = event.id
        if at - stored > LAG:
            await writer.execute([cursors.move.call(link.name, stored, at)])
            stored = at
        handling(None)
        if len(page) < PAGE:
            await commits.wait(count)
