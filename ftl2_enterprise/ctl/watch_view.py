"""A loop that is watched: when each thing happened, and one line for a look that found all in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.render.text import Line, Role, Span, iso_time, line, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.render.loops.narrator import Narrator

ROOM = len("00:00:00Z ")
ALWAYS_QUIET = {"loop.started", "iteration.started"}
LAST = {"loop.completed", "loop.failed", "loop.cancelled"}


class Watched:
    """Tells the facts of one loop. Holds back what a look says until it is known whether anything happens."""

    def __init__(self, narrator: Narrator) -> None:
        self.narrator: Narrator = narrator
        self._held: list[Line] = []
        self._n: int | None = None
        """The iteration of which nothing has been told yet."""

    def tell(self, event: Event) -> list[Line]:
        """The lines for an event, with those that were held back for it."""
        if event.kind == "iteration.started":
            self._n = event.data.get("n")
        lines = timed(self.narrator.tell(event), event.at)
        if _is_quiet(event):
            self._held += lines
            return []
        if event.kind == "loop.rested" and self._n is not None and not event.data.get("failures"):
            n, self._n, self._held = self._n, None, []
            return timed([line(symbol("✔", Role.GOOD), (f"iteration {n}", Role.STRONG), ": as desired")], event.at)
        if not lines and event.kind not in LAST:
            return []
        return [*self.so_far(), *lines]

    def so_far(self) -> list[Line]:
        """What was held back."""
        lines, self._held, self._n = self._held, [], None
        return lines


def timed(lines: Iterable[Line], at: Instant) -> list[Line]:
    """The lines behind the time at which the first one was so."""
    found: list[Line] = []
    for one in lines:
        begins = " " * ROOM if found else f"{iso_time(at)} "
        indent = (Span(" " * one.indent),) if one.indent else ()
        found.append(Line((Span(begins, Role.FAINT), *indent, *one.spans), hang=ROOM + one.indent + one.hang))
    return found


def _is_quiet(event: Event) -> bool:
    """Whether it tells of nothing but a look that finds all in place."""
    data = event.data
    match event.kind:
        case "iteration.observed":
            return not data.get("failed") and not data.get("denied")
        case "iteration.checked":
            return bool(data.get("held"))
        case "iteration.decided":
            return bool(data.get("converged"))
        case "loop.converged":
            return not data.get("changed") and data.get("iterations") == 1
        case kind:
            return kind in ALWAYS_QUIET
