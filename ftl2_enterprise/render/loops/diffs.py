"""What an action would change, as lines."""

from __future__ import annotations

from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.render.text import Line, Role, clean, line

LONGEST = 200
_ROLES = {"+": Role.GOOD, "-": Role.BAD, "@": Role.ACCENT}


def diff_lines(text: str, *, indent: int) -> list[Line]:
    """The lines of a stored difference, with their own indentation."""
    return [_line(one, indent) for one in text.removesuffix("\n").split("\n") if text]


def _line(text: str, indent: int) -> Line:
    is_name = text.startswith(("--- ", "+++ "))
    role = Role.FAINT if is_name else _ROLES.get(text[:1], Role.PLAIN)
    return line((shorten(clean(text), LONGEST), role), indent=indent)
