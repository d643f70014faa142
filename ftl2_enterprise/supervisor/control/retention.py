"""Has removed what is not kept for ever, a little at a time, behind everything else."""

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
"""Seconds between two rounds, which are a hundredth of the time for which something is kept."""
PAUSE = 0.2
"""Seconds between two units of work: loops hand theirs over meanwhile."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is to be removed of some rows. Each unit says how many it has removed."""

    calls: Sequence[UnitCall]
    next: int | None
    """Behind which the rest is; None when that is all."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What is to be done."""

    kept: Callable[[], float]
    """Seconds for which it is kept; 0: for ever."""
    what: str
    """As the log names it."""
    stretch: Callable[[int], Stretch]
    """What is too old behind an id. Raises Problem."""


async def keep_up(upkeep: Upkeep, writer: Writing) -> None:
    """Do it again and again, for ever; what fails is tried in the next round."""
    while True:
        kept = upkeep.kept()
        await asyncio.sleep(min(max(kept / 100, SHORTEST), LONGEST) if kept else LONGEST)
        try:
            removed = await _round(upkeep, writer)
        except Problem as problem:
            _log.warning("%s are kept for longer: %s", upkeep.what, problem)
        except Exception as error:
            log.crash(error, f"{upkeep.what} could not be removed")
        else:
            if removed:
                _log.info("%d %s were removed: they ended more than %g days ago", removed, upkeep.what, kept / 86_400)


async def _round(upkeep: Upkeep, writer: Writing) -> int:
    removed, at = 0, 0
    while at is not None and upkeep.kept():
        stretch = upkeep.stretch(at)
        for call in stretch.calls:
            removed += await writer.carry_out([call])
            await asyncio.sleep(PAUSE)
        at = stretch.next
        await asyncio.sleep(PAUSE)
    return removed
