"""`status --watch`: the loops on a display that stays, like top."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loop_tables import (
    counts_line,
    loop_table,
    prompt_lines,
    stopping_lines,
    urgency,
)
from ftl2_enterprise.ctl.repl.notifications import away
from ftl2_enterprise.ctl.repl.snapshot import Live, Snapshot
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.text import Line, Role, fitted, iso_time, line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.ctl.session import Session

TICK = 1.0
"""Seconds after which the times that are shown are shown anew."""
LEAVES = {b"q", b"Q", b"\x03", b"\x04", b"\x1b"}
HIDDEN = {LoopState.COMPLETED, LoopState.CANCELLED}

ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def run(session: Session, *, finished: bool) -> int:
    """Until q or Ctrl-C. Raises Problem where there is no terminal."""
    out = session.out
    if not out.is_terminal or not sys.stdin.isatty() or session.wants_json:
        raise invalid(
            "cannot stay and show the loops: this is no terminal", "for programs: `ftl2ctl events --follow --json`"
        )
    woken, waker = os.pipe()
    os.set_blocking(waker, False)

    def changed(_before: Snapshot, _now: Snapshot) -> None:
        try:
            os.write(waker, b".")
        except BlockingIOError:
            # It is woken already.
            return

    live = Live(out, session.socket, changed)
    with _display(session):
        live.start()
        try:
            while True:
                _draw(session, live.now, finished=finished)
                ready, _, _ = select.select([sys.stdin, woken], [], [], TICK)
                if woken in ready:
                    os.read(woken, 4096)
                if sys.stdin in ready and os.read(sys.stdin.fileno(), 64)[:1] in LEAVES:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            live.stop()
    # The pipe stays open: the thread that looks may still write into it.
    return 0


@contextmanager
def _display(session: Session) -> Generator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    stream = session.out.stream
    try:
        tty.setcbreak(descriptor)
        stream.write(ENTER)
        yield
    finally:
        stream.write(LEAVE)
        stream.flush()
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _draw(session: Session, now: Snapshot, *, finished: bool) -> None:
    out = session.out
    columns, rows = out.columns, out.rows
    shown = [part for one in _lines(session, now, finished=finished) for part in fitted(one, columns)]
    if len(shown) > rows - 1:
        left = len(shown) - (rows - 2)
        shown = [*shown[: rows - 2], line((f"... {left} more lines", Role.FAINT))]
    text = "".join(f"{out.rendered(one)}{REST_OF_LINE}\r\n" for one in shown)
    out.stream.write(f"{HOME}{text}{REST_OF_SCREEN}")
    out.stream.flush()


def _lines(session: Session, now: Snapshot, *, finished: bool) -> list[Line]:
    time = session.now()
    loops = sorted((loop for loop in now.loops if finished or loop.state not in HIDDEN), key=urgency)
    head = line((f"{iso_time(time)}  q leaves  ", Role.FAINT), *counts_line(loops).spans)
    lines = [head]
    if now.problem is not None:
        lines.append(
            line(symbol("✘", Role.BAD), (away(now), Role.BAD), f"; this is from before: {now.problem.message}")
        )
    else:
        lines += stopping_lines(loops, draining=now.draining)
    if now.problem is None and not now.has_looked:
        return [*lines, line("connecting ...")]
    lines += (
        [line(), *loop_table(loops, time, session.out.room, draining=now.draining)]
        if loops
        else [line(), line("no loops at work")]
    )
    if now.prompts:
        lines += [line(), *prompt_lines(now.prompts, session, time)]
    return lines
