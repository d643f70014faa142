"""A link has its unit executed for each fact, exactly once, whatever is killed or fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.problem import Problem, conflict
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.store import cursors, events
from ftl2_enterprise.store.events import list_events
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit
from ftl2_enterprise.supervisor.control import links
from ftl2_enterprise.supervisor.control.links import Link, follow
from tests.support.data.facts import Noted, NotedAgain
from tests.support.service.writing import PlainWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.unit import UnitCall

LINK = "test.copies"
REFUSED: dict[str, Exception] = {}
"""Texts of facts that cannot be handled, and why."""


@unit
def copy(tx: Tx, event: Event) -> None:
    """What a capability does about a fact of another one: here, it records its own fact."""
    if event.data["text"] in REFUSED:
        raise REFUSED[event.data["text"]]
    tx.emit(NotedAgain(), subject=f"copy:{event.data['n']}")


class Commits:
    """Wakes followers when the test requests it."""

    def __init__(self) -> None:
        self.count = 0
        self._news = asyncio.Event()

    def notify_all(self) -> None:
        self.count += 1
        self._news.set()

    async def wait(self, since: int) -> None:
        if self.count == since:
            self._news.clear()
            await self._news.wait()


class Writer:
    """Writes at once, as if it were another process; `before` is called first."""

    def __init__(self, db: Store) -> None:
        self._writer = PlainWriter(db)
        self.before: Any = lambda calls: None

    async def execute(self, calls: Sequence[UnitCall], **_: Any) -> Any:
        self.before(calls)
        return self._writer.execute(calls)


class Following:
    def __init__(self, db: Store) -> None:
        self.db = db
        self.commits = Commits()
        self.writer = Writer(db)
        self.reported: list[str] = []

    def note(self, *numbers: int, text: str = "") -> None:
        with self.db.write() as tx:
            for n in numbers:
                tx.emit(Noted(n=n, text=text), subject="")
        self.commits.notify_all()

    def copies(self) -> list[str]:
        with self.db.read() as tx:
            found = list_events(tx, limit=1000)
        return [event.subject for event in found if event.kind == kind_of(NotedAgain)]

    async def until(self, *subjects: str) -> None:
        async with asyncio.timeout(20):
            while self.copies() != list(subjects):
                await asyncio.sleep(0.001)

    async def until_reported(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.reported) < count:
                await asyncio.sleep(0.001)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        link = Link(name=LINK, facts=(Noted,), unit=copy)
        made: Any = (link, self.db, self.writer, self.commits, self.reported.append)
        task = asyncio.create_task(follow(*made))
        try:
            # It has begun when its cursor exists.
            async with asyncio.timeout(20):
                while self.cursor() is None:
                    await asyncio.sleep(0.001)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def cursor(self) -> int | None:
        with self.db.read() as tx:
            return tx.connection.execute(select(events.cursors.c.event_id)).scalar_one_or_none()


@pytest.fixture
def following(db: Store, monkeypatch: pytest.MonkeyPatch) -> Following:
    monkeypatch.setattr(links, "RETRY_BASE", 0.001)
    made = Following(db)
    made.note(0)
    return made


async def test_facts_from_its_first_start_on_are_handled_in_order(following: Following) -> None:
    async with following.running():
        following.note(1, 2)
        with following.db.write() as tx:
            tx.emit(NotedAgain(), subject="another kind")
        following.note(3)
        await following.until("another kind", "copy:1", "copy:2", "copy:3")
    assert following.reported == []


async def test_facts_committed_while_no_process_ran_are_handled_by_the_next_one(following: Following) -> None:
    async with following.running():
        following.note(1)
        await following.until("copy:1")
    following.note(2, 3)
    async with following.running():
        await following.until("copy:1", "copy:2", "copy:3")


async def test_a_fact_that_another_process_handled_is_not_handled_again(following: Following) -> None:
    """Control was killed, and what it had sent is executed while the next one has read the old cursor."""
    async with following.running():
        following.note(1)
        await following.until("copy:1")
        before = following.cursor()
        assert before is not None

        def late(calls: Sequence[UnitCall]) -> None:
            following.writer.before = lambda calls: None
            other = PlainWriter(following.db)
            other.execute(calls)

        following.writer.before = late
        following.note(2)
        await following.until("copy:1", "copy:2")
        following.note(3)
        await following.until("copy:1", "copy:2", "copy:3")
    assert any("it is not at" in problem for problem in following.reported)
    assert following.reported[-1] == ""


@pytest.mark.parametrize("text", ["refused", "broken"])
async def test_a_fact_that_cannot_be_handled_is_reported_and_tried_again(following: Following, text: str) -> None:
    REFUSED[text] = conflict("cannot copy it now") if text == "refused" else ValueError("broken on purpose")
    async with following.running():
        following.note(1)
        following.note(2, text=text)
        following.note(3)
        await following.until_reported(3)
        # Nothing after it is handled, and nothing of it is half done.
        assert following.copies() == ["copy:1"]
        REFUSED.clear()
        await following.until("copy:1", "copy:2", "copy:3")
    assert following.reported[-1] == ""
    with following.db.read() as tx:
        stuck = next(event for event in list_events(tx) if event.data.get("text") == text)
    what = f"the link {LINK} cannot handle the event {stuck.id} ({stuck.kind} of {stuck.subject}): "
    why = "cannot copy it now; " if text == "refused" else "internal error "
    assert following.reported[0].startswith(what + why)
    assert following.reported[0].endswith("the troubleshooting guide explains how to skip an event")


async def test_a_link_that_cannot_begin_reports_it(following: Following) -> None:
    def refuse(calls: Sequence[UnitCall]) -> None:
        following.writer.before = lambda calls: None
        raise conflict("cannot write now")

    following.writer.before = refuse
    async with following.running():
        await following.until_reported(2)
        following.note(1)
        await following.until("copy:1")
    assert following.reported[0].startswith(f"the link {LINK} cannot continue: cannot write now; ")
    assert following.reported[1] == ""


async def test_a_cursor_after_the_last_event_begins_at_the_end(following: Following) -> None:
    """As when only a part of the database was restored: the next events get ids that the link has passed."""
    with following.db.write() as tx:
        cursors.begin(tx, LINK)
        tx.connection.execute(events.cursors.update().values(event_id=10**9))
    async with following.running():
        async with asyncio.timeout(20):
            while following.cursor() == 10**9:
                await asyncio.sleep(0.001)
        following.note(1, 2)
        await following.until("copy:1", "copy:2")
    assert following.reported == []


async def test_its_cursor_follows_other_kinds_now_and_then(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LAG", 3)
    async with following.running():
        begun = following.cursor()
        assert begun is not None
        with following.db.write() as tx:
            for _ in range(5):
                tx.emit(NotedAgain(), subject="x")
        following.commits.notify_all()
        async with asyncio.timeout(20):
            while following.cursor() != begun + 5:
                await asyncio.sleep(0.001)


def test_a_cursor_is_moved_from_where_it_is(db: Store) -> None:
    with db.write() as tx:
        first = tx.emit(NotedAgain(), subject="x").id
        assert cursors.begin(tx, "reader") == first
        second = tx.emit(NotedAgain(), subject="x").id
        assert cursors.begin(tx, "reader") == first
        cursors.move(tx, "reader", first, second)
    with pytest.raises(Problem, match=f"it is not at {first}"), db.write() as tx:
        cursors.move(tx, "reader", first, second)
    with db.read() as tx:
        assert tx.connection.execute(events.cursors.select()).all() == [("reader", second)]
