"""`watch`: follow a loop until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import ListActions, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Follow the loop from its current iteration on."""
    from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415 - help and completion do not follow

    return follow.from_now(session, session.call(ShowLoop(loop=given.text("loop"))))


COMMAND = Command(
    summary="Follow a loop, iteration by iteration, until it ends; Ctrl-C stops following.",
    group=LOOPS,
    run=run,
    verbs=(WatchEvents, ListEvents, ShowLoop, ListActions, ShowPrompt),
    arguments=(LOOP,),
    reports_outcome=True,
    details=(
        "It begins with the current iteration. Times are in UTC; a no-op iteration is one line. The exit status is "
        "that of the loop's outcome."
    ),
    examples=(Example("watch web"), Example("watch web --json", "events, one per line")),
)
