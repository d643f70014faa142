"""`revisions`: the revisions of a desired state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option, limit
from ftl2_enterprise.ctl.loops.arguments import LOOP
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.verbs import ListRevisions
from ftl2_enterprise.render.loops.revisions import LIMIT, revisions_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the revisions."""
    return session.view(
        revisions_view(
            session,
            loop=given.text("loop"),
            before=given.maybe_number("before"),
            limit=given.number("limit", LIMIT),
        )
    )


COMMAND = Command(
    summary="List the revisions of a loop's desired state: when, by whom, why and what was changed.",
    group=HISTORY,
    run=run,
    verbs=(ListRevisions,),
    arguments=(LOOP,),
    options=(
        limit(LIMIT, "Maximum number of revisions, newest first."),
        Option("before", "Only revisions before number N.", NUMBER, value="N", at_least=1),
    ),
    examples=(Example("revisions web"), Example("revisions web --json")),
)
