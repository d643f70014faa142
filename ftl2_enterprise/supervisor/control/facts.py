"""Has the facts put into the logs of their loops, behind what is committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import LogSettings
    from ftl2_enterprise.supervisor.control.commits import Commits
    from ftl2_enterprise.supervisor.logs.facts import FactLog

PAUSE = 1.0
"""Seconds after a failure."""


def apply(facts: FactLog | None, settings: LogSettings) -> None:
    """Go by settings that were read again."""
    log.change_level(settings.level)
    if facts is not None:
        facts.max_bytes = settings.max_bytes


async def log_facts(facts: FactLog, commits: Commits) -> None:
    """Follow the commits, for ever; the disk is waited for in a thread."""
    while True:
        count = commits.count
        try:
            if await asyncio.to_thread(facts.catch_up):
                continue
        except Problem:
            # The database cannot be read now; the facts stay where they are.
            await asyncio.sleep(PAUSE)
        except Exception as error:
            log.crash(error, "facts could not be logged")
            await asyncio.sleep(PAUSE)
        await commits.wait(count)
