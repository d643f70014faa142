"""The capability of notes, as the machinery sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.notes import handlers, rows, units
from ftl2_enterprise.notes.manager import NoteManager
from ftl2_enterprise.notes.settings import NoteSettings
from ftl2_enterprise.protocol.notes.facts import NOTE
from ftl2_enterprise.protocol.notes.verbs import ShowNote
from ftl2_enterprise.supervisor import child as children
from ftl2_enterprise.supervisor.capability import Capability, ChildKind
from ftl2_enterprise.supervisor.control.dispatch import Handlers
from ftl2_enterprise.supervisor.control.retention import Retention, Stretch
from ftl2_enterprise.supervisor.subjects import SubjectKind
from ftl2_enterprise.wiring.notes import child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.supervisor.capability import ControlContext

DAY = 86_400.0
"""Seconds."""


def _gathers(context: ControlContext) -> Handlers:
    async def shown(request: ShowNote) -> str:
        return context.settings().section(NoteSettings).greeting

    return Handlers(gathers={ShowNote: shown})


def _retention(context: ControlContext) -> Sequence[Retention]:
    def kept() -> float:
        return context.settings().section(NoteSettings).keep_archived * DAY

    def stretch(after: int) -> Stretch:
        del after
        with context.store.read() as tx:
            ids = rows.old(tx, SystemClock().now() - round(kept() * 1e6))
        return Stretch(calls=[units.remove.call(ids)] if ids else [], next=None)

    return [Retention(kept=kept, what="archived notes", stretch=stretch)]


CAPABILITY = Capability(
    name="notes",
    handlers=Handlers(reads=handlers.READS, writes=handlers.WRITES),
    gathers=_gathers,
    managers=lambda context: [NoteManager()],
    child_kinds={NOTE: ChildKind(run=child.run_note, first=children.FIRST)},
    subjects=[SubjectKind(kind=NOTE, find=rows.find_subject, name_of=rows.name_of)],
    retention=_retention,
)
