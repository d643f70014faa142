"""`watch`: a loop as it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.registry import LOOP, Command, Example, Group
from ftl2_enterprise.protocol.loops.verbs import ListActions, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session


def run(session: Session, given: Given) -> int:
    """Follow it until it has ended."""
    from ftl2_enterprise.ctl import follow  # noqa: PLC0415

    return follow.from_now(session, session.call(ShowLoop(loop=given.text("loop"))))


COMMANDS = (
    Command(
        name="watch",
        summary="Follow a loop, iteration by iteration, until it has ended; Ctrl-C leaves it to itself.",
        group=Group.LOOPS,
        run=run,
        verbs=(WatchEvents, ListEvents, ShowLoop, ListActions, ShowPrompt),
        arguments=(LOOP,),
        details=(
            "It begins with what the present iteration did so far. Times are in UTC; a look that finds all in place "
            "is one line. The status is that of the loop's outcome."
        ),
        examples=(Example("watch web"), Example("watch web --json", "events, one in each line")),
    ),
)
