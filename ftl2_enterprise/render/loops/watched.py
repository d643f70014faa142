"""A loop that is watched: its narration with times, and a single line for each no-op iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import (
    IterationStarted,
    LoopCancelled,
    LoopCompleted,
    LoopFailed,
    LoopRested,
)
from ftl2_enterprise.render.loops.no_op import is_no_op
from ftl2_enterprise.render.text import Line, Role, Span, iso_time, line, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.render.loops.narrator import Narrator

ROOM = len("00:00:00Z ")


class Watched:
    """Narrates the facts of one loop. Holds back the lines of an iteration until it turns out not to be a no-op."""

    def __init__(self, narrator: Narrator) -> None:
        self.narrator: Narrator = narrator
        self._held: list[Line] = []
        self._n: int | None = None
        """The number of the iteration of which no line has been shown yet."""

    def lines_of_event(self, event: Event) -> list[Line]:
        """The lines for an event, after those that were held back until it."""
        fact = fact_of(event)
        if isinstance(fact, IterationStarted):
            self._n = fact.n
        lines = timed(self.narrator.lines_of(fact), event.at)
        if is_no_op(fact):
            self._held += lines
            return []
        if isinstance(fact, LoopRested) and self._n is not None and not fact.failures:
            n, self._n, self._held = self._n, None, []
            return timed([line(symbol("✔", Role.GOOD), (f"iteration {n}", Role.STRONG), ": as desired")], event.at)
        if not lines and not isinstance(fact, LoopCompleted | LoopFailed | LoopCancelled):
            return []
        return [*self.held_lines(), *lines]

    def held_lines(self) -> list[Line]:
        """The lines that were held back, which are returned once."""
        lines, self._held, self._n = self._held, [], None
        return lines


def timed(lines: Iterable[Line], at: Instant) -> list[Line]:
    """The lines with the time of day before the first one."""
    found: list[Line] = []
    for one in lines:
        begins = " " * ROOM if found else f"{iso_time(at)} "
        indent = (Span(" " * one.indent),) if one.indent else ()
        found.append(Line((Span(begins, Role.FAINT), *indent, *one.spans), hang=ROOM + one.indent + one.hang))
    return found
