"""Lines of the logs, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.protocol.service.log_fields import not_for_people
from ftl2_enterprise.render.text import Line, Role, clean, fields_text, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.service.verbs import LogLine

_ROLES = {"warning": Role.WARNING, "error": Role.BAD, "critical": Role.BAD}


def log_line(one: LogLine) -> Line:
    """Time, level if it is a warning or worse, source, message, fields."""
    hidden = not_for_people(one)
    fields = fields_text({name: value for name, value in one.fields.items() if name not in hidden}, 120)
    level = (f"{one.level} ", _ROLES[one.level]) if one.level in _ROLES else ""
    return line(
        (f"{moment(one.at)} ", Role.FAINT),
        level,
        (f"{one_line(one.source, 80)}: ", Role.FAINT),
        clean(one.message).replace("\n", " "),
        (f" {fields}" if fields else "", Role.FAINT),
    )
