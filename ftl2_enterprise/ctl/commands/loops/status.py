"""`status`: all loops with their states, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example, Option
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF, LOOPS
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts
from ftl2_enterprise.render.loops.loop_list import LIMIT, loops_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


NEED_ATTENTION = 1


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the loops once, or keep them on screen."""
    if given.has("loop"):
        if given.has("check"):
            raise invalid(
                "cannot take --check with a loop", f"`{FTL2CTL.name} why {given.text('loop')}` explains where it is"
            )
        if given.has("watch"):
            raise invalid(
                "cannot take --watch with a loop", f"`{FTL2CTL.name} watch {given.text('loop')}` follows one"
            )
        from ftl2_enterprise.render.loops.loop_detail import loop_view  # noqa: PLC0415 - most calls list all

        return session.view(loop_view(session, loop=given.text("loop")))
    if given.has("check"):
        if given.has("watch"):
            raise invalid("cannot take --watch with --check", "--check prints the loops once")
        from ftl2_enterprise.render.loops.attention import attention_view  # noqa: PLC0415 - most calls list all

        content = attention_view(session)
        session.view(content)
        return NEED_ATTENTION if content.document.loops else 0
    if given.has("watch"):
        from ftl2_enterprise.ctl.loops import live_list  # noqa: PLC0415 - for terminals only

        return live_list.run(session, finished=given.has("all"))
    return session.view(loops_view(session, finished=given.has("all"), limit=given.number("limit", LIMIT)))


COMMAND = Command(
    summary="List the loops with their states: which run, which wait for you, which failed.",
    group=LOOPS,
    run=run,
    is_view=True,
    verbs=(ListLoops, ListPrompts),
    arguments=(Argument("loop", LOOP_REF, "Show only this loop, as `show` does.", optional=True),),
    options=(
        Option("all", "Include loops that have ended.", short="a"),
        Option("limit", "Maximum number of loops, newest first.", NUMBER, short="n", at_least=1, default=str(LIMIT)),
        Option("check", "Only the loops that need attention; the exit status is 1 if there are any."),
        Option("watch", "Keep the list on screen and update it; q or Ctrl-C quits.", short="w", stays=True),
    ),
    examples=(
        Example("status", "loops that have not ended"),
        Example("status --all", "all loops"),
        Example("status web", "one loop"),
        Example("status --watch", "a live list"),
        Example("status --check", "for monitoring"),
        Example("status --json", "for programs"),
    ),
    statuses=("1: with --check, some loops need attention; they are listed",),
)
