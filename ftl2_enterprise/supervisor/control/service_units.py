"""Units of work of control itself."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.freeze import Freeze, Thaw
from ftl2_enterprise.protocol.service.facts import ServiceFact, ServiceFrozen, ServiceThawed
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store import freezes
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


@unit
def record_freeze(tx: Tx, freeze: Freeze) -> None:
    """Record a freeze that is in force, unless it is recorded."""
    if freezes.insert_freeze(tx, freeze):
        fact = ServiceFrozen(
            freeze=freeze.id,
            scope=freeze.scope,
            of=freeze.of,
            reason=freeze.reason,
            until=freeze.until,
            now=freeze.now,
        )
        tx.emit(fact, subject=SERVICE, actor=freeze.by)


@unit
def record_thaw(tx: Tx, thaw: Thaw, *, over: float) -> None:
    """Record the end of a freeze, unless it is recorded; what was held begins again over so many seconds."""
    if freezes.end_freeze(tx, thaw.id, by=thaw.by, at=thaw.at):
        fact = ServiceThawed(freeze=thaw.id, over=over if thaw.gradually else 0.0)
        tx.emit(fact, subject=SERVICE, actor=thaw.by or None)


@unit
def note_readable(tx: Tx, freeze_id: str) -> None:
    """Let everything that was held because something could not be read begin again."""
    tx.emit(ServiceThawed(freeze=freeze_id, over=0.0), subject=SERVICE)
