"""`status --watch`: the list of loops on the whole screen, updated as it changes, like top."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops.shell_part import PART, LoopsState
from ftl2_enterprise.ctl.repl.notifications import away
from ftl2_enterprise.ctl.repl.snapshot import LiveSnapshot, Snapshot
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.render.loops.loop_table import counts_line, loop_table, stopping_lines, urgency
from ftl2_enterprise.render.loops.prompts import open_prompt_lines
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Line, Role, fitted, iso_time, line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.ctl.session import CtlSession

TICK = 1.0
"""Seconds between two updates of the ages that are shown."""
QUIT_KEYS = {b"q", b"Q", b"\x03", b"\x04", b"\x1b"}
HIDDEN = {LoopState.COMPLETED, LoopState.CANCELLED}
LOOPS = "loops"
"""The key of their state in the snapshot."""

ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def run(session: CtlSession, *, finished: bool) -> int:
    """Show the list until q or Ctrl-C. Raises Problem(invalid) without a terminal."""
    out = session.out
    if not out.is_terminal or not is_terminal(sys.stdin) or session.wants_json:
        raise invalid(
            "cannot show a live list: --watch needs a terminal", "programs use `ftl2ctl events --follow --json`"
        )
    woken, waker = os.pipe()
    os.set_blocking(waker, False)

    def changed(_before: Snapshot, _now: Snapshot) -> None:
        try:
            os.write(waker, b".")
        except BlockingIOError:
            # The pipe is full: it has been woken.
            return

    live = LiveSnapshot(out, session.socket, changed, parts={LOOPS: PART})
    with _display(session):
        live.start()
        try:
            while True:
                _draw(session, live.now, finished=finished)
                ready, _, _ = select.select([sys.stdin, woken], [], [], TICK)
                if woken in ready:
                    os.read(woken, 4096)
                if sys.stdin in ready and os.read(sys.stdin.fileno(), 64)[:1] in QUIT_KEYS:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            live.stop()
    # The pipe stays open, because the thread that reads the service may still write into it.
    return 0


@contextmanager
def _display(session: CtlSession) -> Generator[None]:
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


def _draw(session: CtlSession, now: Snapshot, *, finished: bool) -> None:
    out = session.out
    columns, rows = out.columns, out.rows
    shown = [part for one in _lines(session, now, finished=finished) for part in fitted(one, columns)]
    if len(shown) > rows - 1:
        left = len(shown) - (rows - 2)
        shown = [*shown[: rows - 2], line((f"... {left} more lines", Role.FAINT))]
    text = "".join(f"{out.rendered(one)}{REST_OF_LINE}\r\n" for one in shown)
    out.stream.write(f"{HOME}{text}{REST_OF_SCREEN}")
    out.stream.flush()


def _lines(session: CtlSession, now: Snapshot, *, finished: bool) -> list[Line]:
    time = session.now()
    state: LoopsState = now.states.get(LOOPS, LoopsState())
    loops = sorted((loop for loop in state.loops if finished or loop.state not in HIDDEN), key=urgency)
    head = line((f"{iso_time(time)}  q quits  ", Role.FAINT), *counts_line(loops).spans)
    lines = [head]
    if now.problem is not None:
        lines.append(
            line(symbol("✘", Role.BAD), (away(now), Role.BAD), f"; this list is older: {now.problem.message}")
        )
    else:
        lines += stopping_lines(loops, draining=state.draining)
    if now.problem is None and not now.is_read:
        return [*lines, line("connecting ...")]
    lines += (
        [line(), *loop_table(loops, time, session.room, draining=state.draining)]
        if loops
        else [line(), line("no active loops")]
    )
    if state.prompts:
        lines += [line(), *open_prompt_lines(session, state.prompts)]
    return lines
