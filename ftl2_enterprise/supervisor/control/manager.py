"""A manager makes true what requests have written down, for one kind of child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.children import Child, Ending, Plan
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall


class Manager(Protocol):
    """Looks at everything again and again; calling it twice is harmless, and nothing depends on being called."""

    @property
    def prefix(self) -> str:
        """What its keys begin with: `loop` for `loop:17`."""
        ...

    @property
    def status_words(self) -> Mapping[str, str]:
        """How the status line names the counts of its plans; a word that is not in it is shown as it is."""
        ...

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: Instant, *, booted: bool) -> Plan:
        """Compare its rows with the children of its prefix; reads only, and never blocks.

        `booted`: the service has just been started, so that much may be due at once.
        """
        ...

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        """The unit of work that records how a child ended, when there is something to record.

        The child stays in the table until it is committed, so that no look comes in between.
        """
        ...
