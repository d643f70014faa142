"""The line below the input: what the capabilities contribute to it, or why the service cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.repl.notifications import away
from ftl2_enterprise.render.text import Role, width

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.repl.parts import Parts
    from ftl2_enterprise.ctl.repl.snapshot import Snapshot

STYLES: dict[str, str] = {
    "bottom-toolbar": "noreverse",
    "bottom-toolbar.text": "",
    "faint": "fg:ansibrightblack",
    "good": "fg:ansigreen",
    "accent": "fg:ansicyan",
    "warning": "bold fg:ansiyellow",
    "bad": "bold fg:ansired",
    "invitation": "bold fg:ansicyan",
    "auto-suggestion": "fg:ansibrightblack",
}

type Fragments = list[tuple[str, str]]


def fragments(now: Snapshot, parts: Parts, columns: int) -> Fragments:
    """The toolbar as pairs of style and text, at most that many columns wide."""
    if now.problem is not None:
        return _fitting([("class:bad", f" ✘ {away(now)}")], columns)
    if not now.is_read:
        return _fitting([("class:faint", " connecting ...")], columns)
    found: Fragments = []
    for name, part in parts.items():
        for text, role in part.toolbar(now.states[name]):
            found += [("", "  " if found else " "), (_style(role), text)]
    return _fitting(found or [("class:faint", " connected")], columns)


def _style(role: Role) -> str:
    return {
        Role.GOOD: "class:good",
        Role.ACCENT: "class:accent",
        Role.WARNING: "class:warning",
        Role.BAD: "class:bad",
    }.get(role, "class:faint")


def _fitting(parts: Fragments, columns: int) -> Fragments:
    """The parts without the last ones that do not fit."""
    while len(parts) > 1 and sum(width(text) for _, text in parts) > columns:
        parts = parts[:-1]
    return parts
