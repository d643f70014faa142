"""`diff`: what differs between two revisions of a desired state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example
from ftl2_enterprise.ctl.loops.arguments import LOOP
from ftl2_enterprise.ctl.loops.revision_values import number_of
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ShowLoop
from ftl2_enterprise.render.loops import revisions

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the difference; the exit status is 1 if there is one."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    after = number_of(given, "to", loop.revision)
    before = number_of(given, "from", max(1, loop.revision - 1))
    found = revisions.between(session, loop, before, after)
    session.reply(found, lambda: revisions.difference_lines(found))
    return 0 if found.is_empty else 1


COMMAND = Command(
    summary="Show what differs between two revisions of a loop's desired state.",
    group=HISTORY,
    run=run,
    verbs=(ShowLoop, GetRevision, GetRevisionFile),
    arguments=(
        LOOP,
        Argument("from", NUMBER, "The earlier revision; by default the one before that in force.", optional=True),
        Argument("to", NUMBER, "The later revision; by default the one in force.", optional=True),
    ),
    details="The exit status is 0 if they are equal, and 1 if they differ.",
    examples=(Example("diff web"), Example("diff web 1"), Example("diff web 1 3")),
)
