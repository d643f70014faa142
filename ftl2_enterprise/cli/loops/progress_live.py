"""The display on a terminal: finished lines scroll up, the current activity stays at the bottom."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ftl2_enterprise.protocol.fact import Fact, fact_of
from ftl2_enterprise.protocol.loops.facts import (
    ActionFact,
    ActionStarted,
    IterationDecided,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopBlocked,
    LoopCompleted,
    LoopFailed,
    LoopFrozen,
    LoopPaused,
    LoopRested,
    LoopStarted,
    ModelAnswered,
    ModelAsked,
    PromptAnswered,
    PromptAsked,
    RuleMatched,
)
from ftl2_enterprise.render.loops.narrator import Narrator
from ftl2_enterprise.render.loops.no_op import is_no_op
from ftl2_enterprise.render.loops.prompts import INDENT
from ftl2_enterprise.render.text import Line, Role, Span, duration, fitted, harmless, line, one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.render.colour import Painter

STYLES: dict[Role, str] = {
    Role.PLAIN: "",
    Role.FAINT: "dim",
    Role.STRONG: "bold",
    Role.ACCENT: "cyan",
    Role.COMMAND: "cyan",
    Role.GOOD: "green",
    Role.CHANGED: "yellow",
    Role.WARNING: "bold yellow",
    Role.BAD: "bold red",
}
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SECOND = 8
SHOWN_ACTIONS = 8


class LiveProgress:
    """Redraws a few lines at the bottom while the loop runs."""

    def __init__(self, painter: Painter) -> None:
        self.narrator: Narrator = Narrator()
        self._console = Console(
            file=painter.stream,
            force_terminal=True,
            no_color=not painter.has_colour,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._activity: str | None = None
        self._since = time.monotonic()
        self._actions: dict[int, tuple[str, float]] = {}
        self._rest_until: float | None = None
        self._rest_words = ""
        self._held: list[Line] = []
        """Lines of what may be a no-op iteration: shown if it turns out not to be one, else only counted."""
        self._is_settled = False
        self._no_ops = 0
        self._live: Live | None = None
        self._start()

    # --- the port --------------------------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Show a fact."""
        fact = fact_of(event)
        self._follow(fact)
        lines = self.narrator.lines_of(fact)
        if self._is_settled and is_no_op(fact):
            self._held += lines
            return
        if isinstance(fact, LoopRested) and self._was_no_op(fact):
            self._no_ops += 1
            self._held = []
            return
        if lines:
            self.show([*self._held, *lines])
            self._held = []

    def show(self, lines: Line | Iterable[Line]) -> None:
        """Print lines above the display."""
        # A terminal that went away must not end the loop: its record is the database.
        with suppress(OSError):
            if self._live is not None:
                # Otherwise the display shows the previous activity below the printed lines.
                self._live.refresh()
            for one in [lines] if isinstance(lines, Line) else lines:
                for part in fitted(one, self._console.width):
                    # The terminal wraps words that are too wide, so that they can be copied whole.
                    self._console.print(_rich(part), soft_wrap=True)

    @contextmanager
    def suspended(self) -> Generator[None]:
        """Remove the display while a prompt is shown."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def close(self) -> None:
        """Remove the display."""
        self._stop()

    # --- the current activity ---------------------------------------------------------------------------------------

    def _was_no_op(self, fact: LoopRested) -> bool:
        """Whether the run that ends with this rest was a no-op, after one that left the loop in sync."""
        was_settled = self._is_settled
        self._is_settled = not fact.failures
        return was_settled and self._is_settled and bool(self._held)

    def _follow(self, fact: Fact) -> None:
        match fact:
            case LoopStarted():
                self._rest_until = None
                self._do("starting")
            case IterationStarted():
                self._rest_until = None
                self._do("observing")
            case IterationObserved() | ModelAnswered():
                self._do("deciding")
            case ModelAsked():
                self._do(f"asking {one_line(fact.model or fact.provider)}")
            case RuleMatched():
                self._do(f"rule {one_line(fact.rule)}")
            case IterationDecided():
                self._do("acting")
            case PromptAsked():
                self._do("waiting for an answer")
            case PromptAnswered():
                self._do("continuing")
            case ActionStarted():
                label = one_line(f"{fact.module} on {fact.host}: {self.narrator.summary_of(fact)}", 120)
                self._actions[fact.action_id] = (label, time.monotonic())
            case ActionFact():
                self._actions.pop(fact.action_id, None)
            case LoopRested():
                self._rest(fact.delay, in_sync=not fact.failures)
            case IterationEnded() | LoopFrozen() | LoopPaused() | LoopCompleted() | LoopFailed() | LoopBlocked():
                self._activity = None
            case _:
                pass

    def _do(self, activity: str) -> None:
        self._activity, self._since = activity, time.monotonic()

    def _rest(self, delay: float, *, in_sync: bool) -> None:
        self._activity = None
        self._rest_until = time.monotonic() + delay
        self._rest_words = "in sync" if in_sync else "not in sync; trying again"

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._live = Live(
            console=self._console,
            get_renderable=self._drawing,
            transient=True,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()
            self._live = None

    def _drawing(self) -> Group:
        now = time.monotonic()
        lines: list[Line] = []
        # A copy: the thread that refreshes draws while facts arrive.
        for label, since in list(self._actions.values())[:SHOWN_ACTIONS]:
            lines.append(self._busy(label, since, now))
        if not lines and self._activity is not None:
            lines.append(self._busy(self._activity, self._since, now))
        if self._rest_until is not None:
            lines.append(self._resting(max(0.0, self._rest_until - now)))
        # Four columns are left for the ^C that the terminal echoes: if it wrapped, this drawing would stay on screen.
        return Group(*(_rich(one, self._console.width - 4) for one in lines))

    def _busy(self, label: str, since: float, now: float) -> Line:
        frame = FRAMES[int(now * FRAMES_PER_SECOND) % len(FRAMES)]
        took = now - since
        seconds = [Span(f"  {duration(took)}", Role.FAINT)] if took >= 1 else []
        return line((f"{frame} ", Role.ACCENT), label, *seconds, indent=INDENT)

    def _resting(self, left: float) -> Line:
        role = Role.GOOD if self._rest_words == "in sync" else Role.WARNING
        checks = f", checked {self._no_ops + 1} times" if self._no_ops else ""
        clock = f"{int(left) // 60}:{int(left) % 60:02}"
        return line(
            ("● ", role),
            (self._rest_words, role),
            (f"{checks}; next check in {clock}; Ctrl-C stops", Role.FAINT),
            indent=INDENT,
        )


def _rich(one: Line, columns: int | None = None) -> Text:
    # Text, never markup, because the output of hosts may contain brackets.
    text = Text.assemble(" " * one.indent, *((span.text, STYLES[span.role]) for span in harmless(one).spans))
    if columns is not None:
        text.truncate(max(1, columns), overflow="ellipsis")
    return text
