"""A process for every note that is not archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.children import Candidate, Plan, Urgency
from ftl2_enterprise.notes import rows, units
from ftl2_enterprise.protocol.notes.facts import NOTE, note_subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.core.children import Child, Ending
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall


class NoteManager:
    """Compares notes with their processes."""

    prefix: str = NOTE
    status_words: Mapping[str, str] = {"watched": "notes watched"}

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: Instant, *, booted: bool) -> Plan:
        """As Manager.ensure."""
        del now, booted
        active = {note_subject(note_id) for note_id in rows.active(tx)}
        return Plan(
            start=tuple(Candidate(key) for key in sorted(active - children.keys())),
            stop={key: Urgency.SAFE_POINT for key in children if key not in active},
            counts={"watched": len(active & children.keys())},
        )

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        """As Manager.ended."""
        return units.left.call(int(child.key.partition(":")[2]), ending.signal)
