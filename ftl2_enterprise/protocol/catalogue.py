"""Every verb that the service has: those of `protocol/*/verbs.py`, found by folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import packages
from ftl2_enterprise.protocol.verb import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.protocol.verb import Request


def verbs() -> Iterable[type[Request[Any]]]:
    """The verbs of each package, in its order."""
    for module in packages.modules_named("verbs", among="ftl2_enterprise.protocol"):
        yield from packages.load(module).VERBS


def catalogue(verbs: Iterable[type[Request[Any]]]) -> dict[str, type[Request[Any]]]:
    """The verbs by name. Raises ValueError when two have the same one."""
    found: dict[str, type[Request[Any]]] = {}
    for verb in verbs:
        if found.setdefault(name_of(verb), verb) is not verb:
            raise ValueError(f"{verb.__name__} and {found[name_of(verb)].__name__} are both the verb {name_of(verb)}")
    return found


CATALOGUE = catalogue(verbs())
