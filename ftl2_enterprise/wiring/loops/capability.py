"""The capability of loops, for the machinery."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.loops import retention
from ftl2_enterprise.loops.handlers import table
from ftl2_enterprise.loops.manager import LoopManager
from ftl2_enterprise.loops.rows import loop_names
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.facts import LOOP
from ftl2_enterprise.supervisor.capability import Capability, ChildKind
from ftl2_enterprise.supervisor.control.dispatch import Handlers
from ftl2_enterprise.supervisor.control.retention import Retention, Stretch
from ftl2_enterprise.supervisor.subjects import SubjectKind
from ftl2_enterprise.wiring.loops import child, gather, host_trust, readings, warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.supervisor.capability import ControlContext

DAY = 86_400.0
"""Seconds."""
REMOVED_AT_ONCE = 100
"""Iterations that one unit of work removes: other units of work wait while it runs."""


def _managers(context: ControlContext) -> Sequence[LoopManager]:
    return [LoopManager(lambda: context.settings().supervisor)]


def _gathers(context: ControlContext) -> Handlers:
    return Handlers(prepares=gather.prepares(context.readers.read), gathers=gather.gathers(context.readers.read))


def _retention(context: ControlContext) -> Sequence[Retention]:
    """Remove no-op iterations after some time (decision 11)."""

    def kept() -> float:
        return context.settings().section(LoopSettings).keep_noop_iterations * DAY

    def stretch(after: int) -> Stretch:
        before = SystemClock().now() - round(kept() * 1e6)
        with context.store.read() as tx:
            ids, following = retention.expired_iterations(tx, after=after, before=before)
        calls = [retention.delete_iterations.call(list(some)) for some in batched(ids, REMOVED_AT_ONCE, strict=False)]
        return Stretch(calls=calls, next=following)

    return [Retention(kept=kept, what="no-op iterations", stretch=stretch)]


CAPABILITY = Capability(
    name="loops",
    handlers=Handlers(reads=table.READS, writes=table.WRITES, system=host_trust.SYSTEM),
    gathers=_gathers,
    readings=readings.READINGS,
    managers=_managers,
    child_kinds={"loop": ChildKind(run=child.run_loop, first=child.FIRST, warm_up=warm_up.warm_up)},
    subjects=[SubjectKind(kind=LOOP, find=loop_names.find_subject, name_of=loop_names.find_name)],
    retention=_retention,
)
