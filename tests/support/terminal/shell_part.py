"""A part of the shell for tests: its state is a number, and it shows whatever the number is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.repl.parts import ShellPart
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.repl.parts import Parts


def counter(name: str) -> ShellPart[int]:
    """The number of things of that name."""

    def notices(before: int, now: int, shown) -> list[Line]:
        return [line(f"{now} {name}")] if now != before and f"{name}:{now}" not in shown else []

    return ShellPart(
        read=lambda _session, before: (before or 0) + 1,
        toolbar=lambda number: [(f"{number} {name}", Role.GOOD)],
        notices=notices,
    )


PARTS: Parts = {"apples": counter("apples"), "pears": counter("pears")}


def seen(apples: int = 1, pears: int = 1) -> Snapshot:
    """What was read."""
    return Snapshot(is_read=True, states={"apples": apples, "pears": pears})
