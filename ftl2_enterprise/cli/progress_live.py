"""The display on a terminal: finished lines scroll up, what goes on now stays at the bottom."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ftl2_enterprise.render.loops.narrator import Narrator
from ftl2_enterprise.render.loops.prompt_text import INDENT
from ftl2_enterprise.render.text import Line, Role, Span, duration, fitted, line, one_line

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
QUIET = {"loop.started", "iteration.started", "iteration.observed", "iteration.checked", "iteration.decided"}
"""Facts of a look that may turn out to have found nothing."""


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
        """Lines of a look that has found nothing yet: shown when it does, else only counted."""
        self._is_settled = False
        self._looks = 0
        self._live: Live | None = None
        self._start()

    # --- the port --------------------------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Show a fact."""
        self._follow(event)
        lines = self.narrator.tell(event)
        if self._is_quiet(event):
            self._held += lines
            return
        if event.kind == "loop.rested" and self._held_nothing(event):
            self._looks += 1
            self._held = []
            return
        if lines:
            self.say([*self._held, *lines])
            self._held = []

    def say(self, lines: Line | Iterable[Line]) -> None:
        """Print lines above the display."""
        # A terminal that went away must not end the loop: its record is the database.
        with suppress(OSError):
            if self._live is not None:
                # Or what is printed is followed by what went on before.
                self._live.refresh()
            for one in [lines] if isinstance(lines, Line) else lines:
                for part in fitted(one, self._console.width):
                    # What is too wide without a blank is left to the terminal, so that it can be copied whole.
                    self._console.print(_rich(part), soft_wrap=True)

    @contextmanager
    def suspended(self) -> Generator[None]:
        """Take the display away while somebody is asked."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def close(self) -> None:
        """Take the display away."""
        self._stop()

    # --- what goes on ----------------------------------------------------------------------------------------------

    def _is_quiet(self, event: Event) -> bool:
        data = event.data
        match event.kind:
            case "iteration.observed":
                is_clean = not data.get("failed") and not data.get("denied")
            case "iteration.checked":
                is_clean = bool(data.get("held"))
            case "iteration.decided":
                is_clean = bool(data.get("converged"))
            case "loop.converged":
                return self._is_settled and not data.get("changed") and data.get("iterations") == 1
            case kind:
                is_clean = kind in QUIET
        return self._is_settled and is_clean

    def _held_nothing(self, event: Event) -> bool:
        """Whether the look that ends with this rest found all in sync, like the one before."""
        was_settled = self._is_settled
        self._is_settled = not event.data.get("failures")
        return was_settled and self._is_settled and bool(self._held)

    def _follow(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "loop.started":
                self._rest_until = None
                self._do("starting")
            case "iteration.started":
                self._rest_until = None
                self._do("observing")
            case "iteration.observed" | "model.answered":
                self._do("deciding")
            case "model.asked":
                self._do(f"asking {one_line(str(data.get('model') or data.get('provider')))}")
            case "rule.matched":
                self._do(f"rule {one_line(str(data.get('rule')))}")
            case "iteration.decided":
                self._do("acting")
            case "prompt.asked":
                self._do("waiting for an answer")
            case "prompt.answered":
                self._do("going on")
            case "action.started":
                label = one_line(
                    f"{data.get('module')} on {data.get('host')}: {self.narrator.summary_of(event)}", 120
                )
                self._actions[int(data["action_id"])] = (label, time.monotonic())
            case kind if kind.startswith("action."):
                self._actions.pop(int(data.get("action_id") or 0), None)
            case "loop.rested":
                self._rest(float(data.get("delay") or 0.0), in_sync=not data.get("failures"))
            case kind if kind in {"iteration.ended", "loop.paused", "loop.completed", "loop.failed", "loop.blocked"}:
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
        # Room is left for the ^C that the terminal echoes: on a line of its own it would keep this drawing on screen.
        return Group(*(_rich(one, self._console.width - 4) for one in lines))

    def _busy(self, label: str, since: float, now: float) -> Line:
        frame = FRAMES[int(now * FRAMES_PER_SECOND) % len(FRAMES)]
        took = now - since
        seconds = [Span(f"  {duration(took)}", Role.FAINT)] if took >= 1 else []
        return line((f"{frame} ", Role.ACCENT), label, *seconds, indent=INDENT)

    def _resting(self, left: float) -> Line:
        role = Role.GOOD if self._rest_words == "in sync" else Role.WARNING
        looks = f", seen {self._looks + 1} times" if self._looks else ""
        clock = f"{int(left) // 60}:{int(left) % 60:02}"
        return line(
            ("● ", role),
            (self._rest_words, role),
            (f"{looks}; next look in {clock}; Ctrl-C stops", Role.FAINT),
            indent=INDENT,
        )


def _rich(one: Line, columns: int | None = None) -> Text:
    # Text, never markup: what hosts print may hold brackets that look like it.
    text = Text.assemble(" " * one.indent, *((span.text, STYLES[span.role]) for span in one.spans))
    if columns is not None:
        text.truncate(max(1, columns), overflow="ellipsis")
    return text
