"""Runs children with the settings of this program, and with what was loaded before they were forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor import child
from ftl2_enterprise.wiring.settings import MODEL
from ftl2_enterprise.wiring.warmed_store import open_warmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.supervisor.child import PreparedChild, RunningChild
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext


def run_child(
    context: ChildContext,
    prepared: PreparedChild,
    *,
    name_of: Callable[[Tx, int], str],
    work: Callable[[RunningChild], object],
) -> int:
    """As `supervisor.child.run`."""
    return child.run(context, prepared, model=MODEL, open_store=open_warmed, name_of=name_of, work=work)
