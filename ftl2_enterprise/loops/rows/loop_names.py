"""The names of loops: which are in use, and which loop or deleted loop one refers to."""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows.loops import get_loop, get_loop_as_named
from ftl2_enterprise.loops.tables import (
    loops,
)
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import Desired
from ftl2_enterprise.store.events import list_events
from ftl2_enterprise.store.ids import BEYOND
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.tx import Tx

_NAME = Prepared(select(loops.c.name).where(loops.c.id == bindparam("row_id")))
_NAMED = Prepared(select(loops.c.id).where(loops.c.name == bindparam("given")))


def find_subject(tx: Tx, name: str) -> str:
    """The subject of the loop with that name or id.

    The id of a deleted loop is accepted: its facts remain. Raises Problem.
    """
    try:
        return loop_subject(get_loop(tx, name).id)
    except Problem as problem:
        if problem.code is Code.NOT_FOUND and name.isascii() and name.isdecimal() and int(name) < BEYOND:
            gone = loop_subject(int(name))
            if list_events(tx, subject=gone, limit=1):
                return gone
        raise


def find_name(tx: Tx, loop_id: int) -> str | None:
    """The name of the loop; None when it was deleted."""
    return _NAME.scalar(tx, {"row_id": loop_id})


def name_of_loop(tx: Tx, loop_id: int) -> str:
    """The name of the loop; empty when it was deleted."""
    return find_name(tx, loop_id) or ""


def is_taken(tx: Tx, name: str) -> bool:
    """Whether a loop with exactly that name exists."""
    return _NAMED.first(tx, {"given": name}) is not None


def free_name(tx: Tx, name: str) -> str:
    """The name, with the first numeric suffix that makes it unique if it is taken."""
    return next(one for one in _numbered(name) if not is_taken(tx, one))


def first_open(tx: Tx, name: str, free: str) -> Loop | None:
    """The first loop with the name, or with a suffix before the free one, that has neither ended nor is cancelled."""
    taken = (get_loop_as_named(tx, one) for one in takewhile(lambda one: one != free, _numbered(name)))
    return next((one for one in taken if one.ended_at is None and one.desired is not Desired.CANCEL), None)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{n}" for n in count(2))
