"""Units of work about SSH hosts."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.facts import HostTrusted
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def record_trust(tx: Tx, facts: list[HostTrusted]) -> None:
    """Record who trusts which keys: all of one request, or none."""
    for fact in facts:
        tx.emit(fact, subject=SERVICE)
