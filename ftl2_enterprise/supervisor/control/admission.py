"""Which of the due keys get a process: one budget, `supervisor.max_running`, over the plans of all managers. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.core.children import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.core.children import Child, Plan

QUEUED = "queued"
"""The key of the counts for keys that wait for a place."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What follows from the plans of all managers together."""

    start: tuple[str, ...]
    """Keys, the most urgent first."""
    end: tuple[str, ...]
    """Keys of resting children that make room."""
    queue: Queue
    counts: Mapping[str, int]
    """The counts of the plans. A key that waits for a place is counted as queued instead."""


def admit(plans: Sequence[Plan], children: Mapping[str, Child], *, max_running: int) -> Admission:
    """Give the free places to the keys that are due: higher priority first, then longer wait.

    `children` are all children, also those of a manager that failed. The order within each plan is that of its
    manager. If keys have to wait, resting children end, the longest rest first, but no more than needed: a child that
    is already ending will free a place too.
    """
    ordered = heapq.merge(*(plan.start for plan in plans), key=lambda one: (-one.priority, one.since))
    due = [one for one in ordered if one.key not in children]
    room = max(0, max_running - len(children))
    waiting = due[room:]
    counts = Counter[str]()
    for plan in plans:
        counts.update(plan.counts)
    for word, count in Counter(one.counted_as for one in waiting).items():
        counts[word] -= count
        if counts[word] <= 0:
            del counts[word]
    if waiting:
        counts[QUEUED] += len(waiting)
    stops = {key for plan in plans for key in plan.stop}
    ending = len(stops) + sum(child.stopping for key, child in children.items() if key not in stops)
    rests = sorted(((until, key) for plan in plans for key, until in plan.yields.items()), reverse=True)
    return Admission(
        start=tuple(one.key for one in due[:room]),
        end=tuple(key for _, key in rests[: max(0, len(waiting) - ending)]),
        queue=Queue(
            order={one.key: place for place, one in enumerate(waiting, start=1)},
            taken=max(max_running, len(children)),
            places=max_running,
        )
        if waiting
        else Queue(),
        counts=counts,
    )
