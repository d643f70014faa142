"""The newest events in memory: every follower receives every event once and in order, however far back it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ftl2_enterprise.supervisor.control import event_tail
from ftl2_enterprise.supervisor.control.commit_watch import Commits
from ftl2_enterprise.supervisor.control.event_tail import EventTail
from tests.support.data.facts import Noted
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = new_database(tmp_path / "loops.db")
    yield made
    made.close()


def write(store: Store, *subjects: str) -> None:
    with store.write() as tx:
        for subject in subjects:
            tx.emit(Noted(), subject=subject)


async def test_many_followers_read_a_commit_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    version = store.commit_counter()
    commits = Commits(version)
    tail = EventTail(store, commits)
    assert (await tail.after(0, None)).events == []
    reads = 0
    read = store.read

    def counted() -> object:
        nonlocal reads
        reads += 1
        return read()

    monkeypatch.setattr(store, "read", counted)
    for round_ in range(3):
        write(store, "note:1", "note:2")
        commits.notify()
        for _ in range(100):
            page = await tail.after(2 * round_, None)
            assert [one.id for one in page.events] == [2 * round_ + 1, 2 * round_ + 2]
            assert [one.subject for one in (await tail.after(2 * round_, "note:2")).events] == ["note:2"]
    assert reads == 3
    version.close()


async def test_a_commit_without_a_notice_between_a_notice_and_its_ring_is_read(store: Store) -> None:
    version = store.commit_counter()
    commits = Commits(version)
    tail = EventTail(store, commits)
    waiting = asyncio.create_task(commits.wait(commits.count))
    await asyncio.sleep(0)
    write(store, "note:1")
    commits.notify()
    # A watch that begins now reads it before the others are woken.
    assert len((await tail.after(0, None)).events) == 1
    write(store, "note:2")
    async with asyncio.timeout(20):
        await waiting
    assert [one.subject for one in (await tail.after(1, None)).events] == ["note:2"]
    commits.close()
    version.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(1, 12), st.integers(0, 4).map(lambda who: -1 - who)), max_size=40))
def test_every_follower_gets_every_event_once(tmp_path_factory: pytest.TempPathFactory, steps: list[int]) -> None:
    """Steps: so many events are committed at once, or one of the followers reads."""
    directory = tmp_path_factory.mktemp("tail")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(event_tail, "KEPT", 6)
        patched.setattr(event_tail, "PAGE", 3)
        asyncio.run(_follow(new_database(directory / "loops.db"), steps))


async def _follow(store: Store, steps: list[int]) -> None:
    version = store.commit_counter()
    commits = Commits(version)
    tail = EventTail(store, commits)
    # Two from the beginning, of everything and of one subject, and three that follow one subject from later on.
    subjects = [None, "note:0", "note:1", "note:2", "note:3"]
    cursors = [0] * len(subjects)
    got: list[list[int]] = [[] for _ in subjects]
    written: list[str] = []

    async def read(who: int) -> None:
        while True:
            page = await tail.after(cursors[who], subjects[who])
            got[who] += [one.id for one in page.events]
            cursors[who] = page.cursor
            if page.is_last:
                return

    for step in steps:
        if step > 0:
            new = [f"note:{(len(written) + n) % 4}" for n in range(step)]
            write(store, *new)
            written += new
            commits.notify()
        else:
            await read(-1 - step)
    for who, subject in enumerate(subjects):
        await read(who)
        assert got[who] == [n for n, of in enumerate(written, start=1) if subject in {None, of}]
    version.close()
    store.close()
