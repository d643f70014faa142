"""Where notes meet loops: a note that has the name of a loop is archived when the loop is deleted."""

from __future__ import annotations

from ftl2_enterprise.notes import units
from ftl2_enterprise.protocol.loops.facts import LoopDeleted
from ftl2_enterprise.supervisor.control.links import Link

ARCHIVE_WITH_LOOP = Link(name="notes.archive-with-loop", facts=(LoopDeleted,), unit=units.archive_named)
