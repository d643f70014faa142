"""What control itself has written."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.protocol.service.facts import ServiceFact
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def prove(tx: Tx) -> Instant:
    """Nothing: that the writer acknowledges it proves that the writer and the disk work."""
    return tx.now


@unit
def note(tx: Tx, fact: ServiceFact) -> int:
    """A fact about the service; its id."""
    return tx.emit(fact, subject=SERVICE).id
