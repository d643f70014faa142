"""Removes rows that are kept for a limited time, a few at a time, so that other work does not wait."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.control.reconciler import Writing

SHORTEST, LONGEST = 1.0, 3600.0
"""Bounds of the seconds between two rounds, which are a hundredth of the time for which rows are kept."""
PAUSE = 0.2
"""Seconds between two units of work, in which those of other processes are executed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The removal of old rows from a range of ids."""

    calls: Sequence[UnitCall]
    """Units of work that return how many rows they removed."""
    next: int | None
    """The id after which the next range begins; None at the end."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Rows that a capability keeps for a limited time."""

    kept: Callable[[], float]
    """Seconds for which they are kept; 0 for indefinitely."""
    what: str
    """Their name in the log, in the plural."""
    stretch: Callable[[int], Stretch]
    """The removal for the range after an id. Raises Problem."""


async def remove_old(retention: Retention, writer: Writing) -> None:
    """Remove what is too old, in rounds, until cancelled; a round that fails is repeated with the next one."""
    while True:
        kept = retention.kept()
        await asyncio.sleep(min(max(kept / 100, SHORTEST), LONGEST) if kept else LONGEST)
        try:
            removed = await _round(retention, writer)
        except Problem as problem:
            _log.warning("%s are kept for longer: %s", retention.what, problem)
        except Exception as error:
            log.crash(error, f"{retention.what} could not be removed")
        else:
            if removed:
                _log.info(
                    "%d %s were removed: they ended more than %g days ago", removed, retention.what, kept / 86_400
                )


async def _round(retention: Retention, writer: Writing) -> int:
    removed, at = 0, 0
    while at is not None and retention.kept():
        stretch = retention.stretch(at)
        for call in stretch.calls:
            removed += await writer.execute([call])
            await asyncio.sleep(PAUSE)
        at = stretch.next
        await asyncio.sleep(PAUSE)
    return removed
