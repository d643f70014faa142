"""`history`: what a loop did, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option, limit
from ftl2_enterprise.ctl.loops.arguments import LOOP
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.verbs import GetHistory
from ftl2_enterprise.render.loops.history import LIMIT, history_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the last iterations."""
    return session.view(
        history_view(
            session,
            loop=given.text("loop"),
            actions=given.has("actions"),
            changed=given.has("changed"),
            before=given.maybe_number("before"),
            limit=given.number("limit", LIMIT),
        )
    )


COMMAND = Command(
    summary="Show what a loop did and why, iteration by iteration.",
    group=HISTORY,
    run=run,
    verbs=(GetHistory,),
    arguments=(LOOP,),
    options=(
        Option("actions", "Include each action with its result.", short="a"),
        Option("changed", "Only iterations that changed something, failed or prompted.", short="c"),
        limit(LIMIT, "Maximum number of iterations, newest first."),
        Option("before", "Only iterations before number N.", NUMBER, value="N", at_least=1),
    ),
    examples=(
        Example("history web"),
        Example("history web --actions -n 3"),
        Example("history web --changed", "without no-op iterations"),
        Example("history web --json"),
    ),
)
