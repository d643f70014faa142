"""How a loop's process writes: one unit of work at a time, fenced by the generation of its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate

from ftl2_enterprise.loops import store as loop_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.engine import Store
    from ftl2_enterprise.store.tx import Tx


class Journal:
    """Writes for one claim of one loop; reads are not fenced."""

    def __init__(self, store: Store, loop_id: int, generation: int) -> None:
        self.store: Store = store
        self.loop_id: int = loop_id
        self.generation: int = generation
        self._deferred: list[Callable[[Tx], object]] = []

    def commit[**P, R](self, unit: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out the unit in one transaction.

        Raises Problem(conflict) when another process has claimed the loop since; then nothing was written.
        """
        # Taken out first: what was to come with a unit that fails must not come with a later one.
        deferred, self._deferred = self._deferred, []
        with self.store.write() as tx:
            # Also the guard of units that touch other tables only: a late process changes nothing.
            loop_store.update_loop(tx, self.loop_id, self.generation)
            for earlier in deferred:
                earlier(tx)
            return unit(tx, *args, **kwargs)

    def defer(self, unit: Callable[[Tx], object]) -> None:
        """Carry out the unit in the transaction of the next one, before it: both are there, or neither is."""
        self._deferred.append(unit)

    def read[**P, R](self, query: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask something of the database."""
        with self.store.read() as tx:
            return query(tx, *args, **kwargs)
