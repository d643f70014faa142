"""`rollback`: put an earlier revision of the desired state in force again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.ctl.loops.revision_values import (
    BASED_ON,
    PREVIEW,
    REASON,
    number_of,
    reason_of,
    show_change,
    show_preview,
    typed,
)
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, PreviewRollback, RollbackLoop, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.loops import revisions
from ftl2_enterprise.render.text import quoted

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Put it in force, and show what has changed; with --preview, show what would change."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    if loop.revision == 1 and not given.has("revision"):
        raise conflict(
            f"cannot roll back {loop.name}: it has one revision only",
            f"see `{session.command(f'revisions {quoted(loop.name)}')}`",
        )
    to = number_of(given, "revision", loop.revision - 1)
    based_on = number_of(given, "based-on", loop.revision)
    if given.has("preview"):
        after = session.call(PreviewRollback(loop=str(loop.id), to=to, based_on=based_on))
        words = typed(COMMAND, given, without=("preview", "based-on"))
        return show_preview(
            session,
            revisions.restoration(session, loop, after, to),
            words=f"rollback {words}",
            based_on=loop.revision,
            label="roll it back",
        )
    now = session.call(RollbackLoop(loop=str(loop.id), to=to, based_on=based_on, reason=reason_of(given)))
    show_change(session, loop, now)
    return 0


COMMAND = Command(
    summary="Put an earlier revision of a desired state in force again, as a new one.",
    group=LOOPS,
    run=run,
    verbs=(RollbackLoop, PreviewRollback, ShowLoop, GetRevision, GetRevisionFile, ListFreezes),
    arguments=(LOOP, Argument("revision", NUMBER, "Number of the revision; by default the previous.", optional=True)),
    options=(PREVIEW, BASED_ON, REASON),
    examples=(
        Example("rollback web"),
        Example("rollback web 3 --preview", "shows the difference only"),
        Example("rollback web 3 --reason 'the port was wrong'"),
    ),
)
