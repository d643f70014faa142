"""A loop that is watched: when each thing happened, and one line for a look that found all in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.fact import Fact, fact_of
from ftl2_enterprise.protocol.loops.facts import (
    IterationChecked,
    IterationDecided,
    IterationObserved,
    IterationStarted,
    LoopCancelled,
    LoopCompleted,
    LoopConverged,
    LoopFailed,
    LoopRested,
    LoopStarted,
)
from ftl2_enterprise.render.text import Line, Role, Span, iso_time, line, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.render.loops.narrator import Narrator

ROOM = len("00:00:00Z ")


class Watched:
    """Tells the facts of one loop. Holds back what a look says until it is known whether anything happens."""

    def __init__(self, narrator: Narrator) -> None:
        self.narrator: Narrator = narrator
        self._held: list[Line] = []
        self._n: int | None = None
        """The iteration of which nothing has been told yet."""

    def tell(self, event: Event) -> list[Line]:
        """The lines for an event, with those that were held back for it."""
        fact = fact_of(event)
        if isinstance(fact, IterationStarted):
            self._n = fact.n
        lines = timed(self.narrator.lines_of(fact), event.at)
        if _is_quiet(fact):
            self._held += lines
            return []
        if isinstance(fact, LoopRested) and self._n is not None and not fact.failures:
            n, self._n, self._held = self._n, None, []
            return timed([line(symbol("✔", Role.GOOD), (f"iteration {n}", Role.STRONG), ": as desired")], event.at)
        if not lines and not isinstance(fact, LoopCompleted | LoopFailed | LoopCancelled):
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


def _is_quiet(fact: Fact) -> bool:
    """Whether the fact only says that everything is in place."""
    match fact:
        case LoopStarted() | IterationStarted():
            return True
        case IterationObserved():
            return not fact.failed and not fact.denied
        case IterationChecked():
            return fact.held
        case IterationDecided():
            return fact.converged
        case LoopConverged():
            return not fact.changed and fact.iterations == 1
        case _:
            return False
