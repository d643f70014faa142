"""The last work that each client of the writer has submitted, so that none is executed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, bindparam, delete, select

from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.session import run_many

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
"""The number of a piece of work and its encoded result."""

_OF = Prepared(
    select(handovers.c.client, handovers.c.number, handovers.c.result).where(
        handovers.c.client >= bindparam("first"), handovers.c.client < bindparam("end")
    )
)
_CLIENTS = Prepared(select(handovers.c.client))
_FORGET = Prepared(delete(handovers).where(handovers.c.client == bindparam("of")))
_PUT = Prepared(lambda driver: driver.upsert(handovers, key=["client"], update=["number", "result"]))
_COLUMNS = ("client", "number", "result")


def lane_of(client: str, lane: int) -> str:
    """The name under which the work of one lane of a client is kept; a lane has one piece of work in progress."""
    return f"{client}.{lane}"


def of_client(tx: Tx, client: str) -> dict[str, Handover]:
    """The last work of each lane of a client."""
    # "/" is the character after ".": this range has everything that begins with the name and a dot.
    return {row[0]: (row[1], row[2]) for row in _OF.rows(tx, {"first": f"{client}.", "end": f"{client}/"})}


def put(tx: Tx, done: Mapping[str, Handover]) -> None:
    """Remember the last work of these lanes."""
    rows = [(lane, number, result) for lane, (number, result) in done.items()]
    run_many(tx, _PUT.sql(tx.driver, _COLUMNS), rows)


def prune(tx: Tx, gone: Callable[[str], bool]) -> int:
    """Forget the lanes of clients that are gone; returns how many."""
    lanes = [row[0] for row in _CLIENTS.rows(tx, {})]
    forgotten = [lane for lane in lanes if gone(lane.rpartition(".")[0])]
    for lane in forgotten:
        _FORGET.change(tx, {"of": lane})
    return len(forgotten)
