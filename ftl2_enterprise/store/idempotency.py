"""The last unit of work that each client of the writer has handed over, so that none is carried out twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from ftl2_enterprise.store.prepared import Prepared, run_many
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.store.tx import Tx

handovers = Table(
    "handovers",
    metadata,
    Column("client", Text, primary_key=True, nullable=False),
    Column("number", Integer, nullable=False),
    Column("result", LargeBinary, nullable=True),
)

type Handover = tuple[int, bytes]
"""The number of a piece of work and what came of it."""

_OF = Prepared(
    select(handovers.c.client, handovers.c.number, handovers.c.result).where(
        handovers.c.client >= bindparam("first"), handovers.c.client < bindparam("behind")
    )
)
_CLIENTS = Prepared(select(handovers.c.client))
_FORGET = Prepared(delete(handovers).where(handovers.c.client == bindparam("of")))
_put = insert(handovers)
_PUT = Prepared(
    _put.on_conflict_do_update(
        index_elements=["client"], set_={"number": _put.excluded.number, "result": _put.excluded.result}
    )
).sql(("client", "number", "result"))


def lane_of(client: str, lane: int) -> str:
    """The name under which the work of one lane of a client is kept: one piece at a time is under way in a lane."""
    return f"{client}.{lane}"


def of_client(tx: Tx, client: str) -> dict[str, Handover]:
    """The last handover of each lane of a client."""
    # "/" is the character behind ".": everything that begins with the name and a dot.
    return {row[0]: (row[1], row[2]) for row in _OF.rows(tx, {"first": f"{client}.", "behind": f"{client}/"})}


def put(tx: Tx, done: Mapping[str, Handover]) -> None:
    """Keep the last handovers of these lanes."""
    run_many(tx.driver, _PUT, [(lane, number, result) for lane, (number, result) in done.items()])


def prune(tx: Tx, gone: Callable[[str], bool]) -> int:
    """Forget the lanes of clients that are gone; how many it were."""
    lanes = [row[0] for row in _CLIENTS.rows(tx, {})]
    forgotten = [lane for lane in lanes if gone(lane.rpartition(".")[0])]
    for lane in forgotten:
        _FORGET.change(tx, {"of": lane})
    return len(forgotten)
