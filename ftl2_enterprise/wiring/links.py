"""The links between capabilities, which are the only places where they meet.

Adding one is adding one line here, and removing a capability removes its lines.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from ftl2_enterprise.supervisor.control.links import Link

NAMES: tuple[str, ...] = (
    "loops.links:CONTINUE_AFTER_FREEZE",
)  # fmt: skip
"""Each names a `Link` of a module in `wiring`: `notes.links:ARCHIVE_WITH_LOOP`."""


@cache
def links() -> tuple[Link, ...]:
    """Every link, in the order of `NAMES`. Raises TypeError for something else, ValueError for a name used twice."""
    found: list[Link] = []
    for name in NAMES:
        module, _, attribute = name.partition(":")
        one = getattr(import_module(f"ftl2_enterprise.wiring.{module}"), attribute)
        if not isinstance(one, Link):
            raise TypeError(f"{name} is not a link")
        if one.name in {other.name for other in found}:
            raise ValueError(f"two links are called {one.name}")
        found.append(one)
    return tuple(found)
