"""The names of the hosts that loops have, for warnings about names that none of them has."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.regular_file import is_program
from ftl2_enterprise.core.source_files import ON_DISK
from ftl2_enterprise.gate import freezes as gate_freezes
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.hosts import TargetMatch
from ftl2_enterprise.wiring.loops import sources

if TYPE_CHECKING:
    from ftl2_enterprise.core.source_files import SourceFiles
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.tx import Tx

MOST_INVENTORIES = 50
"""More are not read for warnings."""
MOST_HOSTS = 10_000
MOST_CLOSE = 3
ALIKE = 0.6
"""The least similarity of names that are spelled alike, from 0 to 1."""


def every_name(tx: Tx, loop: Loop | None) -> frozenset[str] | None:
    """All names of the hosts of a loop, or of all loops that may run. Raises Problem.

    None if they are not known: an inventory is a program, or there is none.
    """
    given = [loop] if loop is not None else loop_rows.with_inventories(tx, limit=MOST_INVENTORIES + 1)
    if not given or len(given) > MOST_INVENTORIES:
        return None
    files = [(one.spec.inventory, sources.of_loop(tx, one)) for one in given]
    if any(path is not None and of.of(Path(path)) is ON_DISK and _may_be_program(Path(path)) for path, of in files):
        return None
    names: set[str] = set()
    for path, of in files:
        names |= _names(path, of)
    for _, host in host_rows.hosts_by_loop(tx, None if loop is None else loop.id, limit=MOST_HOSTS):
        names.update(filter(None, (host.name, host.ansible_host, *host.groups)))
    return frozenset(names)


def of_inventory(path: str, files: SourceFiles) -> frozenset[str] | None:
    """All names of the hosts of an inventory; None if it may be a program. Raises Problem."""
    if files.of(Path(path)) is ON_DISK and _may_be_program(Path(path)):
        return None
    return frozenset(_names(path, files))


def _names(path: str | None, files: SourceFiles) -> set[str]:
    inventory = inventory_files.load(path, files)
    names = set(inventory.groups)
    for host in ("localhost", *(one.name for one in inventory.hosts())):
        names.update(inventory.identity(host).every_name)
    return names


def _may_be_program(inventory: Path) -> bool:
    try:
        return is_program(inventory)
    except OSError:
        return False


def match(tx: Tx, name: str) -> TargetMatch:
    """Whether loops that may run, also after `retry`, know the name, in any spelling that a freeze covers."""
    try:
        names = every_name(tx, None) if loop_rows.with_inventories(tx, limit=1) else frozenset[str]()
    except Problem:
        names = None
    if names is None:
        return TargetMatch(known=None)
    known = gate_freezes.spelled(name) in {gate_freezes.spelled(one) for one in names}
    close = [] if known else difflib.get_close_matches(name, sorted(names), n=MOST_CLOSE, cutoff=ALIKE)
    return TargetMatch(known=known, close=close)
