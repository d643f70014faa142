"""The views that the service renders itself: those of `render/*/views.py`, found by folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.service.verbs import Render
    from ftl2_enterprise.render.view import ViewContent, ViewReader

    type View = Callable[[ViewReader, Render], ViewContent]
    """Reads what the request names; returns the content to show. Raises Problem."""


def views() -> dict[str, View]:
    """The views of every package by name. Raises ValueError when two have the same one."""
    found: dict[str, View] = {}
    for module in packages.modules_named("views", among="ftl2_enterprise.render"):
        for name, view in packages.load(module).VIEWS.items():
            if found.setdefault(name, view) is not view:
                raise ValueError(f"{module} declares the view {name!r}, which another package declares too")
    return found
