"""The handlers that read about hosts. What they reply was read before, because files may take long."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Compared with the declarations of the verbs when control starts.
from ftl2_enterprise.protocol.loops.hosts import HostKeys, TargetMatch
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys, FindTarget

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.store.tx import Tx


def find_host_keys(tx: Tx, request: FindHostKeys, children: Table, found: HostKeys) -> HostKeys:
    """The address of the host, and its recorded keys."""
    return found


def find_target(tx: Tx, request: FindTarget, children: Table, found: TargetMatch) -> TargetMatch:
    """Whether loops know the name."""
    return found
