"""The roles of facts in the event log: success, attention needed, or failure.

A package of `render` may have a module `fact_roles` with `ROLES`, for facts whose role is not that of their level.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages
from ftl2_enterprise.render.text import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.protocol.fact import Fact


def role_of(fact: Fact) -> Role:
    """The role of a fact: its own, else that of its level."""
    otherwise = Role.BAD if fact.level in {"warning", "error"} else Role.ACCENT
    return _roles().get(type(fact), otherwise)


@cache
def _roles() -> Mapping[type[Fact], Role]:
    found: dict[type[Fact], Role] = {}
    for module in packages.modules_named("fact_roles", among="ftl2_enterprise.render"):
        found |= packages.load(module).ROLES
    return found
