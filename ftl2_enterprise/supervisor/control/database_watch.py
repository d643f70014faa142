"""Checks that the files of the database are those that the service has open, also while nothing is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.control.reconciler import Reconciler

CHECK_EVERY = 2.0
"""Seconds."""
DATABASE = "database"
"""The name of the problem that control has found and the writer has not."""


class DatabaseWatch:
    """Has the writer prove that it can write as soon as the files differ from those that were opened.

    The writer refuses each transaction then, so usually its refusal is the problem that is shown, and logged once.
    The watch reports the problem itself if only control knows it: an error of one of its reads has shown that the
    database is damaged. Requests of clients that write are refused in both cases.
    """

    def __init__(self, store: Store, reconciler: Reconciler) -> None:
        self._store: Store = store
        self._reconciler: Reconciler = reconciler
        self._problem: Problem | None = None

    async def run(self) -> None:
        """Check until the task is cancelled."""
        while True:
            self.check()
            await asyncio.sleep(CHECK_EVERY)

    def check(self) -> None:
        """Check now."""
        known, self._problem = self._problem, self._found()
        reconciler = self._reconciler
        if self._problem is None:
            reconciler.solved(DATABASE)
        elif known is None:
            reconciler.doubt()
        elif not reconciler.is_writer_refused:
            reconciler.report(DATABASE, str(self._problem))
        reconciler.report_status()

    def require_writable(self) -> None:
        """Refuse to write while a problem is known that still exists. Raises Problem."""
        if self._problem is not None and (found := self._found()) is not None:
            raise found

    def _found(self) -> Problem | None:
        try:
            self._store.check_files()
        except Problem as problem:
            return problem
        return None
