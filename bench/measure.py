"""Rows of a benchmark: ours and a peer in the same run, so that the ratio applies to any machine."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. Smaller is better; `ratio` below 1 means that we are faster than the peer."""

    name: str
    ours: float
    peer: float
    unit: str
    against: str
    """A short description of the peer."""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer


def median_ms(action: Callable[[], object], *, runs: int) -> float:
    """Median milliseconds of a call."""
    times: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def medians_of_both(
    ours: Callable[[], object], peer: Callable[[], object], *, runs: int, warmup: int = 1
) -> tuple[float, float]:
    """Median milliseconds of both, measured alternately, so that other load affects both."""
    for _ in range(warmup):
        ours()
        peer()
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(runs):
        mine.append(median_ms(ours, runs=1))
        theirs.append(median_ms(peer, runs=1))
    return statistics.median(mine), statistics.median(theirs)
