"""The line below the input: counts of loops and prompts, or why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.repl.notifications import away
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.loops.loop_table import numbers
from ftl2_enterprise.render.loops.standing import STOPPING
from ftl2_enterprise.render.text import Role, count, width

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.repl.snapshot import Snapshot

STYLES: dict[str, str] = {
    "bottom-toolbar": "noreverse",
    "bottom-toolbar.text": "",
    "faint": "fg:ansibrightblack",
    "good": "fg:ansigreen",
    "accent": "fg:ansicyan",
    "warning": "bold fg:ansiyellow",
    "bad": "bold fg:ansired",
    "prompt": "bold fg:ansicyan",
    "auto-suggestion": "fg:ansibrightblack",
}
NOT_COUNTED = {LoopState.COMPLETED, LoopState.CANCELLED}

type Fragments = list[tuple[str, str]]


def fragments(now: Snapshot, columns: int) -> Fragments:
    """The toolbar as pairs of style and text, at most that many columns wide."""
    if now.problem is not None:
        return _fitting([("class:bad", f" ✘ {away(now)}")], columns)
    if not now.is_read:
        return _fitting([("class:faint", " connecting ...")], columns)
    parts: Fragments = [("class:warning", f" {STOPPING}")] if now.draining else []
    for number, word, role in numbers([loop for loop in now.loops if loop.state not in NOT_COUNTED]):
        parts += [("", "  ")] if parts else [("", " ")]
        parts.append((_style(role), f"{number} {word}"))
    if not parts:
        parts = [("class:faint", " no active loops")]
    if now.prompts:
        hint = f"   {count(len(now.prompts), 'prompt')}: answer"
        parts.append(("class:warning", hint))
    return _fitting(parts, columns)


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
