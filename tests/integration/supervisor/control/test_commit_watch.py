"""Waiting for commits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor.control.commit_watch import Commits
from tests.support.data.facts import Noted
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_waiting_for_a_commit_ends_with_its_notice_or_soon_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftl2_enterprise.supervisor.control.commit_watch.CHECK_EVERY", 0.02)
    store = new_database(tmp_path / "loops.db")
    version = store.commit_counter()
    commits = Commits(version)
    async with asyncio.timeout(20):
        # News.
        waiting = [asyncio.create_task(commits.wait(commits.count)) for _ in range(3)]
        await asyncio.sleep(0)
        commits.notify()
        await asyncio.gather(*waiting)
        # News that came while the database was read.
        count = commits.count
        commits.notify()
        await commits.wait(count)
        # A commit without a notice.
        waiting = [asyncio.create_task(commits.wait(commits.count)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        with store.write() as tx:
            tx.emit(Noted(), subject="")
        await asyncio.gather(*waiting)
    commits.close()
    version.close()
    store.close()
