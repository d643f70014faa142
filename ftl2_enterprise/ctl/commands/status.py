"""`status`: what runs, what waits, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loop_tables import counts_line, loop_table, prompt_lines, stopping_lines
from ftl2_enterprise.ctl.registry import PROGRAM, Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import LoopLine

LIMIT = 1000


def run(session: Session, given: Given) -> int:
    """Show the loops, or one of them."""
    if given.has("loop"):
        from ftl2_enterprise.ctl.commands import show  # noqa: PLC0415

        if given.has("watch"):
            raise invalid("cannot take --watch with a loop", f"`{PROGRAM} watch {given.text('loop')}` follows one")
        return show.run(session, given)
    if given.has("watch"):
        from ftl2_enterprise.ctl import status_display  # noqa: PLC0415

        return status_display.run(session, finished=given.has("all"))
    most = given.number("limit", LIMIT)
    page = read(session, finished=given.has("all"), limit=most)
    session.reply(page, lambda: lines(session, page, finished=given.has("all"), limit=most))
    return 0


def read(session: Session, *, finished: bool, limit: int = LIMIT) -> LoopPage:
    """All of the loops, or the newest ones up to that many. Raises Problem."""
    page = session.call(ListLoops(finished=finished, limit=min(limit, 1000)))
    loops: list[LoopLine] = list(page.loops)
    while page.more is not None and len(loops) < limit:
        page = session.call(ListLoops(finished=finished, before=page.more, limit=min(limit - len(loops), 1000)))
        loops += page.loops
    return LoopPage(loops=loops, more=page.more, draining=page.draining)


def lines(session: Session, page: LoopPage, *, finished: bool, limit: int = LIMIT) -> list[Line]:
    """The table, what waits for a person, and what can be done when there is nothing."""
    told = stopping_lines(page.loops, draining=page.draining)
    if not page.loops:
        return [*told, *_empty(session, finished=finished)]
    now = session.now()
    table = loop_table(page.loops, now, session.out.room, draining=page.draining)
    shown = [*told, counts_line(page.loops), *table]
    if page.more is not None:
        every = " --all" if finished else ""
        shown.append(session.offer("there are more", f"status{every} --limit {max(10 * limit, LIMIT)}"))
    if any(loop.open_prompts for loop in page.loops):
        shown += [line(), *prompt_lines(session.call(ListPrompts()), session, now)]
    return shown


def _empty(session: Session, *, finished: bool) -> list[Line]:
    submit = (session.command("submit -f FILE"), Role.COMMAND)
    if finished or not session.call(ListLoops(finished=True, limit=1)).loops:
        return [line("no loops yet: ", submit)]
    return [
        line("no loops but those that have ended: ", (session.command("status --all"), Role.COMMAND)),
        line("begin one: ", submit),
    ]


COMMANDS = (
    Command(
        name="status",
        aliases=("list",),
        summary="List the loops: what runs, what waits for you, what went wrong.",
        group=Group.LOOPS,
        run=run,
        is_view=True,
        verbs=(ListLoops, ListPrompts),
        arguments=(Argument("loop", Kind.LOOP, "Show this one, as `show` does.", optional=True),),
        flags=(
            Flag("all", "Also those that have ended.", short="a"),
            Flag("limit", "The newest ones only.", Kind.NUMBER, short="n", at_least=1, default=str(LIMIT)),
            Flag("watch", "Stay, and show changes as they happen; q or Ctrl-C leaves.", short="w", stays=True),
        ),
        examples=(
            Example("status", "what is at work"),
            Example("status --all", "with those that have ended"),
            Example("status web", "one loop"),
            Example("status --watch", "a display that stays"),
            Example("status --json", "for programs"),
        ),
    ),
)
