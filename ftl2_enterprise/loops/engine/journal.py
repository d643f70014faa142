"""Writes of a loop's process: one unit of work at a time, fenced by the generation of its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate

from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.loops.units import claim as claim_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.loops.fault_points import LoopFaultPoint
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import Unit, UnitCall, Writer


class LoopJournal:
    """Writes for one claim of one loop, directly or through the service's writer; reads are not fenced."""

    def __init__(self, store: Store, writer: Writer, loop_id: int, generation: int) -> None:
        self.store: Store = store
        self.writer: Writer = writer
        self.loop_id: int = loop_id
        self.generation: int = generation
        self._fence: UnitCall = claim_units.fence.call(loop_id, generation)
        self._deferred: list[UnitCall] = []
        self._reached: list[LoopFaultPoint] = []

    def commit[**P, R](self, unit: Unit[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Execute the deferred units and then this one in one transaction; returns the result of this one.

        Raises Problem(conflict) when another process has claimed the loop since; then nothing is written.
        """
        # Taken out first: if this transaction fails, the deferred units must not be written with a later one.
        deferred, self._deferred = self._deferred, []
        reached, self._reached = self._reached, []
        result = self.writer.execute([self._fence, *deferred, unit.call(*args, **kwargs)])
        for point in reached:
            reach(point)
        return result

    def defer[**P](self, unit: Unit[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Execute the unit in the transaction of the next commit, before its unit: both are written, or neither."""
        self._deferred.append(unit.call(*args, **kwargs))

    def reach_with_next(self, point: LoopFaultPoint) -> None:
        """Reach the point after the next commit."""
        self._reached.append(point)

    def read[**P, R](self, query: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query in a read transaction."""
        with self.store.read() as tx:
            return query(tx, *args, **kwargs)
