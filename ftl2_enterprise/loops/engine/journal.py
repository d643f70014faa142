"""How a loop's process writes: one unit of work at a time, fenced by the generation of its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate

from ftl2_enterprise.loops.units import claim as claim_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import Unit, UnitCall, Writer


class LoopJournal:
    """Writes for one claim of one loop, through whoever does the writing; reads are not fenced."""

    def __init__(self, store: Store, writer: Writer, loop_id: int, generation: int) -> None:
        self.store: Store = store
        self.writer: Writer = writer
        self.loop_id: int = loop_id
        self.generation: int = generation
        self._fence: UnitCall = claim_units.fence.call(loop_id, generation)
        self._deferred: list[UnitCall] = []

    def commit[**P, R](self, unit: Unit[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out the unit in one transaction.

        Raises Problem(conflict) when another process has claimed the loop since; then nothing was written.
        """
        # Taken out first: what was to come with a unit that fails must not come with a later one.
        deferred, self._deferred = self._deferred, []
        return self.writer.carry_out([self._fence, *deferred, unit.call(*args, **kwargs)])

    def defer[**P, R](self, unit: Unit[P, R], *args: P.args, **kwargs: P.kwargs) -> None:
        """Carry out the unit in the transaction of the next one, before it: both are there, or neither is."""
        self._deferred.append(unit.call(*args, **kwargs))

    def read[**P, R](self, query: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask something of the database."""
        with self.store.read() as tx:
            return query(tx, *args, **kwargs)
