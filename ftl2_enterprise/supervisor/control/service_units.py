"""Units of work of control itself."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.protocol.service.facts import ServiceFact
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def prove(tx: Tx) -> Instant:
    """Write nothing: its acknowledgement proves that the writer and the disk work."""
    return tx.now


@unit
def note(tx: Tx, fact: ServiceFact) -> int:
    """Emit a fact about the service; returns the id of its event."""
    return tx.emit(fact, subject=SERVICE).id
