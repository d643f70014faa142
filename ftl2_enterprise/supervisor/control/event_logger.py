"""Writes committed facts into the logs of their subjects."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.sections import LogSettings
    from ftl2_enterprise.supervisor.control.commit_watch import Commits
    from ftl2_enterprise.supervisor.logs.event_log_files import FactLog

PAUSE = 1.0
"""Seconds after a failure."""
REST = 4.0
"""The pause before the next batch, as a multiple of the duration of the last one."""


def apply(facts: FactLog | None, settings: LogSettings) -> None:
    """Apply settings that were loaded again."""
    log.change_level(settings.level)
    if facts is not None:
        facts.max_bytes = settings.max_bytes


async def log_facts(facts: FactLog, commits: Commits) -> None:
    """Follow the commits until cancelled. A thread waits for the disk."""
    # A separate thread, because those of the pool may all wait for disks from which requests read files.
    thread = ThreadPoolExecutor(1, "facts")
    try:
        await _follow(facts, commits, thread)
    finally:
        thread.shutdown(wait=False)


async def _follow(facts: FactLog, commits: Commits, thread: ThreadPoolExecutor) -> None:
    running = asyncio.get_running_loop()
    while True:
        count = commits.count
        began = running.time()
        try:
            if await running.run_in_executor(thread, facts.catch_up):
                continue
        except Problem:
            # The database cannot be read now; the facts stay where they are.
            await asyncio.sleep(PAUSE)
        except Exception as error:
            log.crash(error, "facts could not be logged")
            await asyncio.sleep(PAUSE)
        # Under load, fewer and larger reads: a fifth of the time at most.
        await asyncio.sleep(REST * (running.time() - began))
        await commits.wait(count)
