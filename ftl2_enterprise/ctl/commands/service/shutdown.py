"""`shutdown`: end the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import Shutdown
from ftl2_enterprise.render.text import clean, line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Request the end of the service."""
    done = session.call(Shutdown(now=given.has("now")))
    session.reply(done, lambda: line(clean(done.message)))
    return 0


COMMAND = Command(
    summary="Shut the service down; what it runs continues after its next start.",
    group=SERVICE,
    run=run,
    verbs=(Shutdown,),
    options=(Option("now", "Do not wait until current steps are finished."),),
    examples=(Example("shutdown"), Example("shutdown --now")),
)
