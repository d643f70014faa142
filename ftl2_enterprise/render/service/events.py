"""Events of the event log as lines that show every field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.protocol.fact import type_of
from ftl2_enterprise.render.text import Line, Role, fields_text, line, one_line, person

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event


def event_line(event: Event, subject: str, role: Role) -> Line:
    """Id, time, the name of what the event is about, kind in this role, actor, fields."""
    hidden = type_of(event.kind).for_programs
    data = fields_text({name: value for name, value in event.data.items() if name not in hidden})
    by = f" by {person(event.actor)}" if event.actor else ""
    return line(
        (f"{event.id:>6} {moment(event.at)} ", Role.FAINT),
        (f"{one_line(subject, 40)} " if subject else "", Role.STRONG),
        (one_line(event.kind, 60), role),
        (by, Role.FAINT),
        f" {one_line(data, 300)}" if data else "",
    )
