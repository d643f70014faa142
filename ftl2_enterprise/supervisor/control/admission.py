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
"""The word under which keys that wait for a place are counted."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What the plans of all managers come to together."""

    start: tuple[str, ...]
    """Keys, the most urgent first."""
    end: tuple[str, ...]
    """Keys of resting children that make room."""
    queue: Queue
    counts: Mapping[str, int]
    """Those of the plans; what waits for a place is counted as that, and not under its own word."""


def admit(plans: Sequence[Plan], children: Mapping[str, Child], *, max_running: int) -> Admission:
    """Give the free places to those who are due: the higher priority first, then the longer wait.

    `children` are all of them, those of a manager that has failed included. The order within each plan is that of its
    manager. When some have to wait, resting children end, the longest rest first, but no more of them than are waited
    for: each child that is ending already is a place to come.
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
