"""Queries about the process of a loop: its key, whether it lives, how the last one ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, or_, select

from ftl2_enterprise.core.lease import is_alive, pid_of
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.facts import LoopCrashed, LoopDesired, LoopHurried, LoopProcessEnded, loop_subject
from ftl2_enterprise.protocol.loops.replies import Queued
from ftl2_enterprise.store.events import events
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.children import Child, Table
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.tx import Tx

PREFIX = "loop"
"""Prefix of the keys of loops' processes."""
_LATEST = (
    select(events.c.id, events.c.kind, events.c.data, events.c.actor)
    .where(events.c.subject == bindparam("of"))
    .order_by(events.c.id.desc())
    .limit(1_000)
    .subquery()
)
# Only a few facts can be newer: the loop has one step left.
_EXPEDITED = Prepared(select(_LATEST.c.kind).where(_LATEST.c.kind == kind_of(LoopHurried)).limit(1))
_LAST_REQUEST = Prepared(
    select(_LATEST.c.actor).where(_LATEST.c.kind == kind_of(LoopDesired)).order_by(_LATEST.c.id.desc()).limit(1)
)
_LAST_END = Prepared(
    select(_LATEST.c.data)
    .where(or_(_LATEST.c.kind == kind_of(LoopCrashed), _LATEST.c.kind == kind_of(LoopProcessEnded)))
    .order_by(_LATEST.c.id.desc())
    .limit(1)
)


def key_of(loop_id: int) -> str:
    """The supervisor's key for the process of a loop."""
    return f"{PREFIX}:{loop_id}"


def pid_of_loop(loop_id: int, owner: str | None, children: Mapping[str, Child]) -> int | None:
    """The pid of the process that runs the loop, of the service or in the foreground; None without one."""
    child = children.get(key_of(loop_id))
    if child is not None:
        return child.pid
    return pid_of(owner) if owner is not None and is_alive(owner) else None


def queued(loop_id: int, children: Table) -> Queued | None:
    """The loop's position in the queue for a process; None when it is not queued."""
    queue = children.queue
    if not queue.order:
        return None
    key = key_of(loop_id)
    place = None if key in children else queue.order.get(key)
    return None if place is None else Queued(place=place, taken=queue.taken, places=queue.places)


def is_held(loop: Loop) -> bool:
    """Whether a live process has claimed the loop."""
    return loop.owner is not None and is_alive(loop.owner)


def is_expedited(tx: Tx, loop_id: int) -> bool:
    """Whether the loop, which is being cancelled, must not finish its current step."""
    return _EXPEDITED.scalar(tx, {"of": loop_subject(loop_id)}) is not None


def requested_by(tx: Tx, loop_id: int) -> str:
    """` by NAME` of the user who requested the desired state of the loop; empty if no user is known."""
    actor: str | None = _LAST_REQUEST.scalar(tx, {"of": loop_subject(loop_id)})
    return f" by {actor.partition(' (uid ')[0]}" if actor else ""


def is_end_noted(tx: Tx, loop_id: int, pid: int | None, started_at: Instant | None) -> bool:
    """Whether the newest fact about the end of a process of the loop is about this process."""
    fact = _LAST_END.scalar(tx, {"of": loop_subject(loop_id)})
    return (
        fact is not None and started_at is not None and (fact.get("pid"), fact.get("started_at")) == (pid, started_at)
    )
