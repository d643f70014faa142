"""Managers realise the desired state that requests have recorded, each for one kind of child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.children import Child, Ending, Plan
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall


class Manager(Protocol):
    """Compares desired and actual state. Each call considers everything: a repeated or missing one does no harm."""

    @property
    def prefix(self) -> str:
        """The kind of its children, the part of their keys before the colon: `note` for `note:17`."""
        ...

    @property
    def status_words(self) -> Mapping[str, str]:
        """The words of the status line for the counts of its plans; others are shown unchanged."""
        ...

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: Instant, *, booted: bool) -> Plan:
        """Compare its rows with its children; only reads, and does not block.

        `booted`: the service has just been started, so many keys may be due at once.
        """
        ...

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        """The unit of work that records how a child ended; None if there is nothing to record.

        The child stays in the table until the unit is committed, so that no pass starts another one before.
        """
        ...
