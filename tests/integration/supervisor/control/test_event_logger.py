"""The log of facts while the process is busy."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, cast

from ftl2_enterprise.supervisor.control.commit_watch import Commits
from ftl2_enterprise.supervisor.control.event_logger import log_facts
from tests.integration.supervisor.control.reconciling import until
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.supervisor.logs.event_log_files import FactLog


async def test_facts_are_logged_while_every_other_thread_waits_for_a_disk(tmp_path: Path) -> None:
    asked, ends = threading.Event(), threading.Event()

    class Facts:
        def catch_up(self) -> bool:
            asked.set()
            return False

    store = new_database(tmp_path / "loops.db")
    version = store.commit_counter()
    stuck = [asyncio.create_task(asyncio.to_thread(ends.wait)) for _ in range(100)]
    task = asyncio.create_task(log_facts(cast("FactLog", Facts()), Commits(version)))
    try:
        await until(asked.is_set)
    finally:
        ends.set()
        task.cancel()
        await asyncio.gather(task, *stuck, return_exceptions=True)
        version.close()
        store.close()
