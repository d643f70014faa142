"""`reload`: read the settings again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import Reload
from ftl2_enterprise.render.service.settings import reloaded_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Request the reload, and show what changed."""
    del given
    done = session.call(Reload())
    session.reply(done, lambda: reloaded_lines(done))
    return 0


COMMAND = Command(
    summary="Reload the settings of the service.",
    group=SERVICE,
    run=run,
    verbs=(Reload,),
    examples=(Example("reload"),),
)
