"""Opens a database with the migrations of this program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Clock, SystemClock
from ftl2_enterprise.store import database
from ftl2_enterprise.store.database import BUSY_TIMEOUT, Listener, Store
from ftl2_enterprise.wiring.migrations import branches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_enterprise.store.driver import Progress

_SYSTEM_CLOCK = SystemClock()


def open_database(
    path: Path,
    *,
    create: bool,
    clock: Clock = _SYSTEM_CLOCK,
    listeners: Sequence[Listener] = (),
    busy_timeout: float = BUSY_TIMEOUT,
    progress: Progress | None = None,
) -> Store:
    """As store.database.open_store."""
    return database.open_store(
        path,
        branches=branches(),
        clock=clock,
        listeners=listeners,
        create=create,
        busy_timeout=busy_timeout,
        progress=progress,
    )


def open_temporary(path: Path) -> Store:
    """As store.database.open_throwaway."""
    return database.open_throwaway(path, branches=branches())
