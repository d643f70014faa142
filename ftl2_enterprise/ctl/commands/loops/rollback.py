"""`rollback`: put an earlier revision of the desired state in force again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.ctl.loops.revision_values import BASED_ON, REASON, number_of, reason_of, show_change
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, RollbackLoop, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.text import quoted

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Put it in force, and show what has changed."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    if loop.revision == 1 and not given.has("revision"):
        raise conflict(
            f"cannot roll back {loop.name}: it has one revision only",
            f"see `{session.command(f'revisions {quoted(loop.name)}')}`",
        )
    to = number_of(given, "revision", loop.revision - 1)
    based_on = number_of(given, "based-on", loop.revision)
    now = session.call(RollbackLoop(loop=str(loop.id), to=to, based_on=based_on, reason=reason_of(given)))
    show_change(session, loop, now)
    return 0


COMMAND = Command(
    summary="Put an earlier revision of a desired state in force again, as a new one.",
    group=LOOPS,
    run=run,
    verbs=(RollbackLoop, ShowLoop, GetRevision, GetRevisionFile, ListFreezes),
    arguments=(LOOP, Argument("revision", NUMBER, "Number of the revision; by default the previous.", optional=True)),
    options=(BASED_ON, REASON),
    examples=(Example("rollback web"), Example("rollback web 3 --reason 'the port was wrong'")),
)
