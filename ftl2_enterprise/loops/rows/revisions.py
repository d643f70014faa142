"""Queries and writes of the revisions of loops."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.loops.tables import loop_revisions
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Revision
from ftl2_enterprise.protocol.loops.revision_changes import keeps_steps
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx

_REVISIONS = Reader(loop_revisions, Revision)
_INSERT = Prepared(insert(loop_revisions))
_ONE = Prepared(
    _REVISIONS.select().where(loop_revisions.c.loop_id == bindparam("of"), loop_revisions.c.n == bindparam("number"))
)


def insert_revision(
    tx: Tx, loop_id: int, n: int, spec: LoopSpec, *, reason: str | None = None, restores: int | None = None
) -> int:
    """Insert the revision `n` of the loop, made by the caller of the request; returns its id."""
    row = {
        "loop_id": loop_id,
        "n": n,
        "created_at": tx.now,
        "created_by": tx.actor,
        "reason": reason,
        "restores": restores,
        "spec": spec,
    }
    return _INSERT.insert(tx, row)


def find_revision(tx: Tx, loop_id: int, n: int) -> Revision | None:
    """One revision, if there is one with that number."""
    row = _ONE.first(tx, {"of": loop_id, "number": n})
    return None if row is None else _REVISIONS.one(row)


def get_revision(tx: Tx, loop_id: int, n: int) -> Revision:
    """One revision. Raises Problem(not_found)."""
    found = find_revision(tx, loop_id, n)
    if found is None:
        raise not_found(f"cannot find the revision {n} of the loop {loop_id}")
    return found


def get_revisions(tx: Tx, loop_id: int, *, before: int | None = None, limit: int = 100) -> list[Revision]:
    """A page of revisions with numbers below `before`, newest first."""
    query = (
        _REVISIONS.select()
        .where(loop_revisions.c.loop_id == loop_id)
        .order_by(loop_revisions.c.n.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(loop_revisions.c.n < before)
    return _REVISIONS.all(tx.connection.execute(query))


def makers(tx: Tx, loop_id: int) -> list[str]:
    """Everyone who has made a revision of the loop."""
    query = select(loop_revisions.c.created_by).where(loop_revisions.c.loop_id == loop_id).distinct()
    return [one for one in tx.connection.execute(query).scalars() if one is not None]


def have_same_steps(tx: Tx, loop_id: int, first: int, last: int) -> bool:
    """Whether no revision after the first one, up to the last one, has changed a step."""
    specs = (get_revision(tx, loop_id, n).spec for n in range(last, first - 1, -1))
    return all(keeps_steps(before, after) for after, before in pairwise(specs))
