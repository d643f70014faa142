"""What each built-in observation calls."""

from __future__ import annotations

import importlib

from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve, validated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FUNCTIONS = {
    "unit": ("units", "unit"),
    "units": ("units", "units"),
    "journal": ("journal", "journal"),
    "sockets": ("sockets", "sockets"),
    "processes": ("processes", "processes"),
    "packages": ("packages", "packages"),
    "path": ("paths", "path"),
    "paths": ("paths", "paths"),
    "http": ("http", "http_request"),
    "system": ("system", "system"),
}
"""The module here and its function, by the name of the observation."""


def observe(module: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of a built-in observation, as modules return theirs; `changed` is always false."""
    try:
        values = validated(module, params)
        file, function = FUNCTIONS[module]
        found = getattr(importlib.import_module(f"{__package__}.{file}"), function)(values)
    except CannotObserve as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    return {"changed": False, **found}
